//! The proof that the simulation can fail: it finds each mistake of `kinegraf::planted`, and soon.

use kinegraf::planted::{self, Bug};

use crate::failure;

/// Seeds that are tried for each.
const SEEDS: u64 = 200;

#[test]
fn each_planted_mistake_is_found_within_two_hundred_seeds() {
    crate::quietly(|| {
        let mut missed = Vec::new();
        for bug in Bug::ALL {
            planted::set(Some(bug));
            let found = (0..SEEDS).find_map(|seed| Some((seed, failure(seed)?)));
            planted::set(None);
            match found {
                Some((seed, words)) => println!("{bug:?}: seed {seed}: {words:.120}"),
                None => missed.push(bug),
            }
        }
        assert!(missed.is_empty(), "nobody notices {missed:?}");
    });
}
