//! Finds the records for which a request is called invalid (`ValidationException` …), by halving it.
//!
//! A record that is refused alone is *held*: it stands at the end of the batch. When all others were tried, only held ones are left, and they are guilty if
//! another record of the same stream was stored meanwhile; otherwise the configuration is wrong, not the records, and nothing is given up. Bounded: after
//! `FUTILE_MAX` requests in a row that stored nothing it ends as "configuration", and the records tried first stand last at the next attempt.
//!
//! It knows sizes only; the batch holds the records. The chunk on top is the leading part of the batch.

/// Requests in a row that may store nothing before the configuration is blamed: enough to single out a few guilty records among 500.
const FUTILE_MAX: u32 = 40;

/// What is known of a batch under suspicion.
#[derive(Clone, Debug)]
pub struct Bisection {
    /// Sizes of the parts still to be tried, the leading one last.
    chunks: Vec<usize>,
    stored: bool,
    /// What is tried are halves of guilty records.
    halved: bool,
    futile: u32,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the leading `chunk`.
    Go,
    /// The leading record was refused alone: move it behind all others, then go on.
    Hold,
    /// Over: what is left of the batch is guilty (nothing is a good answer).
    Guilty,
    /// Over: nothing was stored meanwhile, so it is the configuration.
    Configuration,
}

impl Bisection {
    /// A request of the leading `window` of `records` was called invalid.
    pub fn new(window: usize, records: usize) -> Bisection {
        let mut chunks = Vec::with_capacity(16);
        if records > window {
            chunks.push(records - window);
        }
        chunks.push(window);
        Bisection { chunks, stored: false, halved: false, futile: 0 }
    }

    /// Leading records to send next.
    pub fn chunk(&self) -> usize {
        self.chunks.last().copied().unwrap_or(0)
    }

    /// The leading `sent` records were called invalid (`sent` may be less than the chunk, when bytes narrowed it).
    pub fn refused(&mut self, sent: usize) -> Verdict {
        self.futile += 1;
        let chunk = self.chunks.pop().unwrap_or(sent).max(sent);
        self.push(chunk - sent);
        if sent > 1 {
            self.push(sent - sent / 2);
            self.push(sent / 2);
            return self.next();
        }
        Verdict::Hold
    }

    /// Of the leading `sent` records `stored`, one at least, were stored and have left the batch.
    pub fn answered(&mut self, sent: usize, stored: usize) -> Verdict {
        (self.stored, self.futile) = (true, 0);
        let chunk = self.chunks.pop().unwrap_or(sent).max(sent);
        self.push(chunk - stored);
        self.next()
    }

    /// After `Hold` was carried out.
    pub fn next(&self) -> Verdict {
        let over = self.chunks.is_empty() || self.is_hopeless() && (self.halved || !self.stored);
        match (over, self.stored) {
            (false, _) => Verdict::Go,
            (true, true) => Verdict::Guilty,
            (true, false) => Verdict::Configuration,
        }
    }

    /// Whether so much was tried in vain that nothing more is to be tried.
    pub fn is_hopeless(&self) -> bool {
        self.futile >= FUTILE_MAX
    }

    /// What is left is guilty and was halved: each of its `records` is tried by itself.
    pub fn go_on(&mut self, records: usize) {
        self.halved = true;
        self.chunks.extend(std::iter::repeat_n(1, records));
    }

    fn push(&mut self, size: usize) {
        if size > 0 {
            self.chunks.push(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a bisection against a service that refuses any request with a bad record; returns the guilty (or none for "configuration"), what was
    /// stored, and the requests it took.
    fn run(records: &[(usize, bool)]) -> (Option<Vec<usize>>, usize, usize) {
        let mut batch = records.to_vec();
        let mut bisection = Bisection::new(batch.len(), batch.len());
        let (mut stored, mut requests) = (0, 0);
        let mut sent = batch.len();
        loop {
            requests += 1;
            let mut verdict = if batch[..sent].iter().any(|(_, bad)| *bad) {
                bisection.refused(sent)
            } else {
                batch.drain(..sent);
                stored += sent;
                bisection.answered(sent, sent)
            };
            if verdict == Verdict::Hold {
                batch.rotate_left(1);
                verdict = bisection.next();
            }
            match verdict {
                Verdict::Go => sent = bisection.chunk(),
                Verdict::Guilty => return (Some(batch.iter().map(|(id, _)| *id).collect()), stored, requests),
                Verdict::Configuration => return (None, stored, requests),
                Verdict::Hold => unreachable!("carried out above"),
            }
            assert!(requests < 5000);
        }
    }

    fn records(count: usize, bad: &[usize]) -> Vec<(usize, bool)> {
        (0..count).map(|id| (id, bad.contains(&id))).collect()
    }

    #[test]
    fn one_bad_record_among_five_hundred_is_found_in_some_twenty_requests_and_the_rest_is_stored() {
        for bad in [0, 1, 250, 498, 499] {
            let (guilty, stored, requests) = run(&records(500, &[bad]));
            assert_eq!((guilty, stored), (Some(vec![bad]), 499));
            assert!(requests <= 20, "{requests}");
        }
    }

    #[test]
    fn several_bad_records_are_found_wherever_they_stand() {
        for bad in [vec![0, 1, 2], vec![7, 400], vec![497, 498, 499], (0..500).step_by(7).collect()] {
            let (guilty, stored, _) = run(&records(500, &bad));
            assert_eq!((guilty, stored), (Some(bad.clone()), 500 - bad.len()));
        }
    }

    #[test]
    fn when_nothing_can_be_stored_the_configuration_is_blamed_and_no_record() {
        let all: Vec<usize> = (0..500).collect();
        let (guilty, stored, requests) = run(&records(500, &all));
        assert_eq!((guilty, stored), (None, 0));
        assert!(requests as u32 <= FUTILE_MAX, "{requests}");
        assert_eq!(run(&records(1, &[0])).0, None);
        assert_eq!(run(&records(2, &[0, 1])).0, None);
    }

    #[test]
    fn records_that_fail_for_the_moment_are_tried_again_and_not_blamed() {
        let mut bisection = Bisection::new(4, 4);
        assert_eq!(bisection.refused(4), Verdict::Go);
        assert_eq!(bisection.answered(2, 1), Verdict::Go);
        assert_eq!(bisection.chunk(), 1, "the throttled one of the first half");
        assert_eq!(bisection.answered(1, 1), Verdict::Go);
        assert_eq!(bisection.chunk(), 2);
        assert_eq!(bisection.answered(2, 2), Verdict::Guilty);
    }
}
