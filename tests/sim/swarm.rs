//! Draws from a seed: which kinds of things happen in a simulation at all, and how often.

use kinegraf::random::Random;

/// True in `percent` of all draws.
pub(crate) fn chance(random: &mut Random, percent: u64) -> bool {
    random.up_to(99) < percent
}

/// One of them.
pub(crate) fn pick<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.up_to(choices.len() as u64 - 1) as usize]
}

/// A weight: none at all in half of the simulations, else one of `choices`.
pub(crate) fn swarm(random: &mut Random, choices: &[u64]) -> u64 {
    if chance(random, 50) { 0 } else { pick(random, choices) }
}

/// A number up to one of them.
pub(crate) fn below(random: &mut Random, choices: &[u64]) -> u64 {
    let most = pick(random, choices);
    random.up_to(most)
}
