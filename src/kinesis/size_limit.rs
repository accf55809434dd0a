//! How many bytes the next request may have. Halves after a timeout, or when requests break on the way three times in a row, or when the service calls
//! one too large; doubles again with each success. A size that failed twice in that way, with smaller ones stored in between, is not tried again for ten
//! minutes. What is as small as a request can be says nothing about size.

use std::time::Duration;

use crate::limits::REQUEST_SIZE_MIN;
use crate::time::{Deadline, Now};

/// Sends of one request that break on the way before its size is blamed.
pub const BROKEN_SENDS_MAX: u8 = 3;
const CEILING_HOLDS: Duration = Duration::from_secs(600);

/// The limit of the next request.
#[derive(Clone, Debug)]
pub struct SizeLimit {
    configured: usize,
    current: usize,
    broken: u8,
    /// The smallest size that was given up, and whether a smaller one was stored since.
    blamed: Option<(usize, bool)>,
    ceiling: Option<(usize, Deadline)>,
}

impl SizeLimit {
    /// Starts at the configured size.
    pub fn new(configured: usize) -> SizeLimit {
        SizeLimit { configured, current: configured, broken: 0, blamed: None, ceiling: None }
    }

    /// Bytes that the next request may have.
    pub fn get(&self) -> usize {
        self.current
    }

    /// A request of `sent` bytes was answered and stored something.
    pub fn stored(&mut self, now: Now, sent: usize) {
        self.broken = 0;
        if self.ceiling.is_some_and(|(_, until)| until.passed(now)) {
            (self.ceiling, self.blamed) = (None, None);
        }
        // What was blamed passes after all, or smaller does.
        self.blamed = self.blamed.filter(|(blamed, _)| sent < *blamed).map(|(blamed, _)| (blamed, true));
        let ceiling = self.ceiling.map_or(self.configured, |(size, _)| size);
        if sent > self.current / 2 {
            self.current = (self.current * 2).min(ceiling);
        }
    }

    /// A request of `sent` bytes made no progress for too long.
    pub fn timed_out(&mut self, sent: usize) {
        self.halve(sent);
    }

    /// A request of `sent` bytes broke on the way. True when a smaller one is to be tried, which has failed in nothing yet.
    pub fn broke(&mut self, now: Now, sent: usize) -> bool {
        self.broken += 1;
        if self.broken < BROKEN_SENDS_MAX {
            return false;
        }
        self.too_large(now, sent);
        sent > self.current
    }

    /// A request of `sent` bytes is larger than the service, or something on the way, takes.
    pub fn too_large(&mut self, now: Now, sent: usize) {
        self.broken = 0;
        if sent <= self.smallest() {
            return;
        }
        self.halve(sent);
        if self.blamed.is_some_and(|(blamed, smaller_passed)| smaller_passed && sent >= blamed) {
            self.ceiling = Some((self.current, Deadline(now.mono + CEILING_HOLDS)));
        }
        self.blamed = Some((self.blamed.map_or(sent, |(blamed, _)| blamed.min(sent)), false));
    }

    fn halve(&mut self, sent: usize) {
        if sent > self.smallest() {
            self.current = (sent.min(self.current) / 2).max(self.smallest());
        }
    }

    fn smallest(&self) -> usize {
        REQUEST_SIZE_MIN.min(self.configured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::ZERO };
    const MAX: usize = 256 << 10;

    #[test]
    fn a_timeout_halves_and_successes_grow_it_again() {
        let mut limit = SizeLimit::new(MAX);
        limit.timed_out(MAX);
        assert_eq!(limit.get(), MAX / 2);
        limit.stored(NOW, 100);
        assert_eq!(limit.get(), MAX / 2, "a small request proves nothing about large ones");
        limit.stored(NOW, MAX / 2);
        assert_eq!(limit.get(), MAX);
    }

    #[test]
    fn halving_ends_at_the_smallest_request() {
        let mut limit = SizeLimit::new(MAX);
        (0..100).for_each(|_| limit.timed_out(limit.get()));
        assert_eq!(limit.get(), REQUEST_SIZE_MIN);
    }

    #[test]
    fn a_size_that_breaks_three_times_is_halved_and_the_second_time_left_alone_for_ten_minutes() {
        let mut limit = SizeLimit::new(MAX);
        let breaks = |limit: &mut SizeLimit| {
            let sizes = [(); 3].map(|()| {
                limit.broke(NOW, MAX);
                limit.get()
            });
            assert_eq!(sizes, [MAX, MAX, MAX / 2]);
        };
        breaks(&mut limit);
        limit.stored(NOW, MAX / 2);
        assert_eq!(limit.get(), MAX);
        breaks(&mut limit);
        (0..10).for_each(|_| limit.stored(NOW, MAX / 2));
        assert_eq!(limit.get(), MAX / 2);
        let later = Now { mono: CEILING_HOLDS, ..NOW };
        limit.stored(later, MAX / 2);
        assert_eq!(limit.get(), MAX);
    }

    #[test]
    fn small_requests_that_break_or_time_out_say_nothing_about_large_ones() {
        let mut limit = SizeLimit::new(MAX);
        for _ in 0..20 {
            limit.broke(NOW, 100);
            limit.timed_out(100);
        }
        assert_eq!(limit.get(), MAX);
    }

    #[test]
    fn an_outage_in_which_every_size_broke_leaves_no_ceiling_behind() {
        let mut limit = SizeLimit::new(MAX);
        for _ in 0..2 {
            for _ in 0..100 {
                limit.broke(NOW, limit.get());
            }
            assert_eq!(limit.get(), REQUEST_SIZE_MIN);
            (0..10).for_each(|_| limit.stored(NOW, limit.get()));
            assert_eq!(limit.get(), MAX);
        }
    }

    #[test]
    fn a_success_between_broken_sends_blames_the_network_not_the_size() {
        let mut limit = SizeLimit::new(MAX);
        for _ in 0..10 {
            limit.broke(NOW, MAX);
            limit.broke(NOW, MAX);
            limit.stored(NOW, 1000);
        }
        assert_eq!(limit.get(), MAX);
    }
}
