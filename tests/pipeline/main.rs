//! The core without network, clock or disk: scripted answers here, seeded faults of every kind in [`seeds`].

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bench;
mod seeds;

use std::time::Duration;

use bench::{Bench, Options};
use kinegraf::config::{Ordering, Pack};
use kinegraf::counters::RejectReason;
use kinegraf::kinesis::outcome::{Class, Outcome, RetryReason};
use kinegraf::pipeline::{Fate, Step};

const THROTTLED: Outcome = Outcome::Retry(RetryReason::Throttled);

#[test]
fn a_partly_failed_request_resends_the_failed_records_only_and_they_lead_the_next() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..4);
    bench.close();
    assert_eq!(bench.send(), [0, 1, 2, 3]);
    bench.answer(&[Outcome::Stored, THROTTLED, Outcome::Stored, THROTTLED]);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.send(), [1, 3]);
    bench.answer(&[Outcome::Stored, Outcome::Stored]);
    assert_eq!(bench.poll(), Step::Closed);
    assert_eq!((bench.pipeline.end(bench.now).code(), bench.pipeline.counters().resent), (0, 2));
}

#[test]
fn failed_records_lead_and_newer_ones_fill_unless_the_ordering_is_strict() {
    for (ordering, expected) in [(Ordering::Request, vec![1, 2, 3]), (Ordering::Strict, vec![1])] {
        let mut bench = Bench::new(Options { ordering, ..Options::default() });
        bench.accept(0..2);
        bench.flush();
        assert_eq!(bench.send(), [0, 1]);
        bench.answer(&[Outcome::Stored, THROTTLED]);
        bench.accept(2..4);
        bench.close();
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.send(), expected, "{ordering:?}");
    }
}

#[test]
fn records_that_never_left_are_not_sent_again_and_are_joined_by_newer_ones_in_any_ordering() {
    for class in [Class::Unreachable, Class::NoCredentials] {
        let mut bench = Bench::new(Options { ordering: Ordering::Strict, ..Options::default() });
        bench.accept(0..2);
        bench.flush();
        bench.send();
        bench.fail(class);
        bench.accept(2..4);
        bench.flush();
        assert_eq!(bench.send(), [0, 1, 2, 3]);
        assert_eq!(bench.pipeline.counters().resent, 0, "{class:?}");
        bench.fail(Class::Broken);
        bench.flush();
        bench.send();
        bench.answer(&[Outcome::Stored; 4]);
        assert_eq!((bench.pipeline.counters().resent, bench.pipeline.counters().requests), (4, 3), "{class:?}");
    }
}

#[test]
fn an_unknown_result_sends_everything_again_and_is_counted() {
    for class in [Class::Unknown, Class::Broken, Class::TimedOut] {
        let mut bench = Bench::new(Options::default());
        bench.accept(0..3);
        bench.close();
        bench.send();
        bench.fail(class);
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.send(), [0, 1, 2]);
        assert_eq!((bench.pipeline.counters().unknown, bench.pipeline.waiting()), (1, 3));
    }
}

#[test]
fn a_block_is_acknowledged_only_when_every_line_before_it_is_stored() {
    let mut bench = Bench::new(Options { hot_size: 900, segment_size: 100, ..Options::default() });
    bench.accept(0..6);
    bench.close();
    assert_eq!(bench.send().len(), 6);
    let used = bench.used();
    bench.answer(&[THROTTLED, Outcome::Stored, Outcome::Stored, Outcome::Stored, Outcome::Stored, Outcome::Stored]);
    assert_eq!(bench.used(), used, "the first line is still open");
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.send(), [0]);
    bench.answer(&[Outcome::Stored]);
    assert_eq!(bench.used(), 0);
}

#[test]
fn one_poisonous_record_is_set_aside_and_every_other_is_delivered() {
    let mut bench = Bench::new(Options::default());
    bench.poison.insert(137);
    bench.accept(0..400);
    bench.close();
    bench.run_to_the_end();
    assert_eq!(bench.set_aside, [(RejectReason::Refused, 137)]);
    assert_eq!(bench.stored.len(), 399);
    assert_eq!(bench.pipeline.end(bench.now).code(), 0, "a record given up by itself never changes the exit code");
}

#[test]
fn of_a_record_with_many_lines_only_the_poisonous_are_set_aside() {
    for keys in [1, 7] {
        let mut bench = Bench::new(Options { pack: Pack::Lines, keys, ..Options::default() });
        bench.poison.extend([0, 137, 399]);
        bench.accept(0..400);
        bench.flush();
        bench.send();
        assert_eq!(bench.batch.window() as u64, keys);
        bench.answer_as_the_service();
        bench.accept(400..401);
        bench.close();
        bench.run_to_the_end();
        bench.set_aside.sort_by_key(|(_, line)| *line);
        assert_eq!(bench.set_aside, [0, 137, 399].map(|line| (RejectReason::Refused, line)));
        assert_eq!((bench.stored.len(), bench.pipeline.end(bench.now).code()), (398, 0));
        assert!(bench.pipeline.counters().requests < 120, "{}", bench.pipeline.counters().requests);
    }
}

#[test]
fn a_record_larger_than_its_stream_takes_is_halved_until_it_passes() {
    let orderings = [Ordering::Request, Ordering::Strict];
    for (class, ordering) in
        [Class::Invalid, Class::TooLarge, Class::Broken, Class::TimedOut].into_iter().flat_map(|class| orderings.map(|o| (class, o)))
    {
        let mut bench = Bench::new(Options { pack: Pack::Lines, line_size: 1000, ordering, ..Options::default() });
        bench.records_above = Some((20_000, class));
        bench.accept(0..120);
        bench.flush();
        bench.run_for(Duration::from_secs(4_000));
        for line in 120..150 {
            bench.accept(line..line + 1);
            bench.flush();
            bench.run_for(Duration::from_secs(1_000));
        }
        bench.close();
        bench.run_to_the_end();
        assert_eq!((bench.stored.len(), bench.set_aside.len()), (150, 0), "{class:?} {ordering:?}");
    }
}

#[test]
fn a_record_of_which_every_line_is_poisonous_is_not_tried_line_by_line() {
    let mut bench = Bench::new(Options { pack: Pack::Lines, ..Options::default() });
    bench.poison.extend(0..2_000);
    bench.accept(0..2_000);
    bench.flush();
    bench.answer_one();
    bench.accept(2_000..2_001);
    bench.close();
    bench.run_to_the_end();
    assert_eq!((bench.set_aside.len(), bench.stored.len()), (2_000, 1));
    assert!(bench.pipeline.counters().requests < 100, "{}", bench.pipeline.counters().requests);
}

#[test]
fn when_every_record_is_called_invalid_it_is_the_configuration_and_nothing_is_given_up() {
    let mut bench = Bench::new(Options::default());
    bench.poison.extend(0..20);
    bench.accept(0..20);
    bench.close();
    bench.run_to_the_end();
    assert!(bench.set_aside.is_empty());
    let ending = bench.pipeline.end(bench.now);
    assert_eq!((ending.code(), ending.waiting), (78, 20));
}

#[test]
fn a_lone_poisonous_record_is_kept_until_another_of_its_stream_was_stored() {
    let mut bench = Bench::new(Options::default());
    bench.poison.insert(0);
    bench.accept(0..1);
    bench.flush();
    bench.answer_one();
    assert!(bench.set_aside.is_empty());
    bench.accept(1..2);
    bench.close();
    bench.run_to_the_end();
    assert_eq!((bench.set_aside.clone(), bench.stored.len()), (vec![(RejectReason::Refused, 0)], 1));
}

#[test]
fn a_record_refused_by_itself_is_set_aside_only_beside_a_stored_one() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..2);
    bench.close();
    bench.send();
    bench.answer(&[Outcome::Refused, Outcome::Stored]);
    assert_eq!(bench.set_aside, [(RejectReason::Refused, 0)]);

    let mut bench = Bench::new(Options::default());
    bench.accept(0..2);
    bench.close();
    for _ in 0..3 {
        let sent = bench.send().len();
        bench.answer(&vec![Outcome::Refused; sent]);
    }
    assert_eq!((bench.set_aside.len(), bench.poll()), (0, Step::Closed));
    assert_eq!(bench.pipeline.end(bench.now).waiting, 2);
}

#[test]
fn a_missing_stream_ends_the_run_with_1_after_one_try_after_the_end_of_the_input() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..2);
    bench.flush();
    bench.send();
    bench.fail(Class::StreamMissing);
    assert!(matches!(bench.poll(), Step::Wait(Some(_))), "before the end it keeps accepting and tries again");
    bench.accept(2..3);
    bench.close();
    assert_eq!(bench.send(), [0, 1, 2], "the end of the input tries at once");
    bench.fail(Class::StreamMissing);
    assert_eq!(bench.poll(), Step::Closed);
    assert_eq!(bench.pipeline.end(bench.now).code(), 1);
}

#[test]
fn refusals_and_time_have_their_exit_codes_and_lines_are_handed_back_only_with_a_deadline() {
    for (class, code) in [(Class::StreamMissing, 1), (Class::Denied, 77), (Class::Misconfigured, 78), (Class::Unreachable, 75)] {
        for deadline in [None, Some(Duration::from_secs(104))] {
            let mut bench = Bench::new(Options { deadline, ..Options::default() });
            bench.accept(0..3);
            bench.close();
            for _ in 0..1000 {
                match bench.poll() {
                    Step::Send => bench.fail(class),
                    Step::Wait(_) => bench.advance(Duration::from_millis(50)),
                    Step::Closed => break,
                    Step::Sync => panic!("there is nothing to settle to"),
                }
            }
            let ending = bench.pipeline.end(bench.now);
            assert_eq!((ending.code(), ending.waiting, ending.handed_back), (code, 3, deadline.is_some()), "{class:?}");
            let counters = bench.pipeline.counters();
            let (handed, dropped) = if deadline.is_some() { (3, 0) } else { (0, 3) };
            assert_eq!((counters.handed_back, counters.dropped_at_end), (handed, dropped));
            assert!(bench.pipeline.books_close());
        }
    }
}

#[test]
fn a_signature_refused_for_its_time_is_corrected_once_by_the_answers_date() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..1);
    bench.close();
    bench.send();
    let server = bench.now.wall + Duration::from_secs(86_400 * 365);
    bench.fail_with(Class::Signature, |failure| failure.date = Some(server));
    assert_eq!(bench.poll(), Step::Send, "at once");
    assert_eq!(bench.batch.sign_at.as_secs(), server.as_secs());
    bench.answer(&[Outcome::Stored]);
    assert_eq!(bench.poll(), Step::Closed);
}

#[test]
fn refused_credentials_are_found_again_once_and_then_it_is_a_refusal() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..1);
    bench.flush();
    bench.send();
    bench.fail(Class::Credentials);
    assert_eq!(bench.poll(), Step::Send, "at once");
    assert!(bench.batch.fresh_credentials);
    bench.fail(Class::Credentials);
    assert!(!bench.batch.fresh_credentials && matches!(bench.poll(), Step::Wait(Some(_))));
}

#[test]
fn a_wrong_clock_does_not_hide_that_the_credentials_have_changed() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..1);
    bench.close();
    bench.send();
    let server = bench.now.wall + Duration::from_secs(86_400);
    bench.fail_with(Class::Signature, |failure| failure.date = Some(server));
    bench.send();
    bench.fail_with(Class::Credentials, |failure| failure.date = Some(server));
    assert_eq!(bench.poll(), Step::Send, "after the clock, the credentials are tried once");
    assert!(bench.batch.fresh_credentials);
    bench.answer(&[Outcome::Stored]);
    assert_eq!(bench.poll(), Step::Closed);
}

#[test]
fn what_may_be_mended_at_once_is_no_refusal_until_it_was_tried() {
    for (class, mends) in
        [(Class::Signature, true), (Class::Credentials, true), (Class::TooLarge, true), (Class::Denied, true), (Class::StreamMissing, false)]
    {
        let mut bench = Bench::new(Options { line_size: 1000, ..Options::default() });
        bench.accept(0..40);
        bench.flush();
        bench.send();
        bench.fail(class);
        assert_eq!(bench.pipeline.is_refused(), !mends, "{class:?}");
        if mends {
            bench.send();
            assert!(!bench.pipeline.is_refused(), "{class:?}: the answer is still to come");
        }
    }
}

#[test]
fn a_refusal_is_in_doubt_while_it_is_tried_again() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..1);
    bench.flush();
    bench.send();
    bench.fail(Class::StreamMissing);
    assert!(bench.pipeline.is_refused());
    bench.advance(Duration::from_secs(900));
    bench.send();
    assert!(!bench.pipeline.is_refused());
    bench.answer(&[Outcome::Stored]);
    assert!(!bench.pipeline.is_refused());
}

#[test]
fn a_run_that_ends_while_it_mends_something_was_not_refused() {
    let mut bench = Bench::new(Options { deadline: Some(Duration::from_secs(104)), ..Options::default() });
    bench.accept(0..1);
    bench.close();
    bench.send();
    let server = bench.now.wall + Duration::from_secs(86_400);
    bench.fail_with(Class::Signature, |failure| failure.date = Some(server));
    bench.send();
    bench.advance(Duration::from_secs(4));
    assert_eq!((bench.poll(), bench.pipeline.end(bench.now).code()), (Step::Closed, 75));
}

#[test]
fn a_server_that_lies_about_the_time_is_not_asked_in_a_tight_loop() {
    let mut bench = Bench::new(Options::default());
    bench.accept(0..1);
    bench.flush();
    let mut at_once = 0;
    for i in 0..50u64 {
        if bench.poll() == Step::Send {
            at_once += 1;
            bench.fail_with(Class::Signature, |failure| failure.date = Some(Duration::from_secs(86_400 * i)));
        }
    }
    assert!(at_once <= 3, "{at_once}");
}

#[test]
fn a_request_that_times_out_is_halved_and_grows_again() {
    let mut bench = Bench::new(Options { line_size: 1000, ..Options::default() });
    bench.accept(0..100);
    bench.close();
    let whole = bench.send().len();
    assert!((60..=65).contains(&whole), "64 KiB of some 1000 bytes each");
    bench.fail(Class::TimedOut);
    bench.advance(Duration::from_secs(60));
    let halved = bench.send().len();
    assert!((30..=32).contains(&halved), "{halved}");
    bench.answer(&vec![Outcome::Stored; halved]);
    assert!(bench.send().len() >= whole - 1);
}

#[test]
fn a_large_record_that_always_breaks_is_too_large_once_smaller_ones_passed_in_between() {
    let mut bench = Bench::new(Options { line_size: 20_000, request_size: 1 << 16, ..Options::default() });
    bench.accept(0..1);
    bench.line_size = 500;
    bench.accept(1..30);
    bench.breaks_above = Some(15_000);
    bench.flush();
    for round in 0..40 {
        bench.run_for(Duration::from_secs(120));
        bench.accept(100 + round..101 + round);
        bench.flush();
    }
    bench.close();
    bench.run_to_the_end();
    assert_eq!(bench.set_aside, [(RejectReason::TooLarge, 0)]);
    assert_eq!(bench.stored.len(), 29 + 40);
}

#[test]
fn two_large_records_that_always_break_do_not_hold_up_the_rest_for_ever() {
    let mut bench = Bench::new(Options { line_size: 32_000, request_size: 64_200, ..Options::default() });
    bench.breaks_above = Some(15_000);
    bench.accept(0..2);
    bench.line_size = 500;
    bench.flush();
    for line in 2..40 {
        bench.accept(line..line + 1);
        bench.flush();
        bench.run_for(Duration::from_secs(120));
    }
    bench.close();
    bench.run_to_the_end();
    assert_eq!(bench.set_aside, [(RejectReason::TooLarge, 0), (RejectReason::TooLarge, 1)]);
    assert_eq!(bench.stored.len(), 38);
}

#[test]
fn in_strict_ordering_a_large_record_that_breaks_stays_in_front() {
    let mut bench = Bench::new(Options { line_size: 20_000, request_size: 30_000, ordering: Ordering::Strict, ..Options::default() });
    bench.accept(0..3);
    bench.close();
    for _ in 0..10 {
        assert_eq!(bench.send(), [0]);
        bench.fail(Class::Broken);
        bench.advance(Duration::from_secs(30));
    }
    bench.run_to_the_end();
    assert_eq!((bench.stored.len(), bench.set_aside.len()), (3, 0));
}

#[test]
fn a_large_record_is_never_blamed_while_nothing_passes() {
    let mut bench = Bench::new(Options { line_size: 20_000, ..Options::default() });
    bench.accept(0..3);
    bench.breaks_above = Some(0);
    bench.flush();
    bench.run_for(Duration::from_secs(3600));
    assert!(bench.set_aside.is_empty());
    bench.breaks_above = None;
    bench.close();
    bench.run_to_the_end();
    assert_eq!(bench.stored.len(), 3);
}

#[test]
fn a_request_called_too_large_is_sent_in_smaller_ones() {
    let mut bench = Bench::new(Options { line_size: 1000, ..Options::default() });
    bench.too_large_above = Some(10_000);
    bench.accept(0..200);
    bench.close();
    bench.run_to_the_end();
    assert_eq!((bench.stored.len(), bench.set_aside.len()), (200, 0));
    assert_eq!(bench.pipeline.end(bench.now).code(), 0);
}

#[test]
fn a_full_spool_lets_lines_leave_before_their_flush_interval() {
    let mut bench = Bench::new(Options { hot_size: 450, segment_size: 100, pack: Pack::Lines, ..Options::default() });
    let mut accepted = 0;
    while bench.try_accept(accepted) {
        accepted += 1;
    }
    assert_eq!(bench.send().len(), accepted as usize);
}

#[test]
fn a_sender_that_waits_is_delivered_at_once_and_told_when_the_last_of_its_lines_is_stored() {
    let mut bench = Bench::new(Options::default());
    let mark = bench.pipeline.mark();
    bench.accept(0..3);
    assert!(matches!(bench.poll(), Step::Wait(Some(_))), "others are waited for");
    let end = bench.pipeline.end_of_accepted();
    bench.pipeline.flush();
    bench.accept(3..4);
    assert_eq!(bench.send(), [0, 1, 2, 3]);
    bench.answer(&[Outcome::Stored, THROTTLED, Outcome::Stored, Outcome::Stored]);
    assert_eq!(bench.pipeline.fate(mark, end), Fate::Waiting);
    bench.accept(4..6);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.send(), [1], "newer lines wait for others again");
    bench.answer(&[Outcome::Stored]);
    assert_eq!(bench.pipeline.fate(mark, end), Fate::Delivered);
    assert_eq!(bench.pipeline.fate(mark, bench.pipeline.end_of_accepted()), Fate::Waiting);
}
