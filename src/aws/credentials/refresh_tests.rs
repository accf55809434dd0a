//! The life of credentials, played through: how often a source is asked, and when what it gave is used.

use super::*;

const START: Now = Now { mono: Duration::from_secs(1000), wall: Duration::from_secs(1_800_000_000) };
const TICK: Duration = Duration::from_millis(10);

fn after(time: Duration) -> Now {
    Now { mono: START.mono + time, wall: START.wall + time }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a source gives at each moment: how long that is good, or nothing.
type Source<'a> = &'a dyn Fn(Duration) -> Option<Duration>;

/// Every moment at which the source was asked, and every one at which nothing good was at hand, while requests go out every `every` and the loop has spare
/// moments or not. While nothing is at hand requests are a second apart, as the pipeline paces them.
fn play(seed: u64, lasts: Duration, every: Duration, spare: bool, outlive: bool, source: Source<'_>) -> (Vec<Duration>, Vec<Duration>) {
    let (mut refresh, mut random, mut at_hand) = (Refresh::default(), Random::from_seed(seed), false);
    let (mut asked, mut bare, mut time, mut paced) = (Vec::new(), Vec::new(), Duration::ZERO, Duration::ZERO);
    while time < lasts {
        let now = after(time);
        let sends = time.as_nanos().is_multiple_of(every.as_nanos());
        let needed = sends && !(at_hand && refresh.is_good(now)) && refresh.wait(now).is_none() && time >= paced;
        let ahead = at_hand && (spare && refresh.next(now).is_some_and(|next| next.passed(now)) || sends && refresh.is_due(now, false));
        if needed || ahead {
            asked.push(time);
            match source(time) {
                Some(life) => {
                    refresh.found(now, Some(Deadline(now.mono + life)), outlive, &mut random);
                    at_hand = true;
                }
                None if refresh.failed(now, at_hand, None, &mut random) == Left::Nothing => paced = time + s(1),
                None => {}
            }
            let next = refresh.next(now);
            assert!(next.is_none_or(|next| !next.passed(now)), "a loop that waits for this would spin");
        }
        if sends && !(at_hand && refresh.is_good(now)) {
            bare.push(time);
        }
        time += TICK;
    }
    (asked, bare)
}

fn closest(asked: &[Duration]) -> Duration {
    asked.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(Duration::MAX)
}

#[test]
fn credentials_of_an_hour_are_renewed_five_to_six_minutes_before_they_expire() {
    let mut dues = Vec::new();
    for seed in 0..20 {
        let (asked, bare) = play(seed, s(3600), s(1), true, false, &|_| Some(s(3600)));
        assert!(asked.len() == 2 && bare.is_empty(), "{asked:?}");
        assert!(asked[1] >= s(3600 - 360) && asked[1] <= s(3600 - 300) + TICK, "{asked:?}");
        dues.push(asked[1]);
    }
    dues.dedup();
    assert!(dues.len() > 15, "a fleet does not come at once: {dues:?}");
}

#[test]
fn without_a_spare_moment_they_are_renewed_between_requests_once_half_of_the_window_is_gone() {
    let (asked, bare) = play(1, s(3600), s(1), false, false, &|_| Some(s(3600)));
    assert!(asked.len() == 2 && bare.is_empty());
    assert!(asked[1] >= s(3600 - 181) && asked[1] <= s(3600 - 149), "{asked:?}");
}

#[test]
fn credentials_of_two_seconds_are_renewed_without_a_gap_and_without_a_burst() {
    for spare in [true, false] {
        let (asked, bare) = play(2, s(30), Duration::from_millis(100), spare, false, &|_| Some(s(2)));
        assert!(bare.is_empty(), "{bare:?}");
        assert!(asked.len() <= 31 && closest(&asked) >= s(1), "{asked:?}");
    }
}

#[test]
fn a_source_that_gives_the_same_credentials_until_they_expire_is_not_asked_in_a_burst() {
    // The source renews what it has every ten minutes, when that expires.
    let (asked, bare) = play(3, s(1800), s(1), true, false, &|time| Some(s(600) - Duration::from_nanos((time.as_nanos() % 600_000_000_000) as u64)));
    assert!(asked.len() <= 40 && bare.is_empty() && closest(&asked) >= FOUND_FOR, "{} {bare:?}", asked.len());
}

#[test]
fn a_source_that_is_away_before_the_expiry_is_asked_at_growing_distances_and_the_old_ones_are_used() {
    let back = s(3500);
    let (asked, bare) = play(4, s(3600), s(1), true, false, &|time| (time == Duration::ZERO || time > back).then_some(s(3600)));
    assert!(bare.is_empty() && asked.len() <= 12, "{asked:?}");
    assert!(asked.last().is_some_and(|last| *last > back && *last < s(3600)), "{asked:?}");
    assert!(closest(&asked) >= s(4), "{asked:?}");
}

#[test]
fn in_an_outage_of_ten_seconds_a_source_is_asked_a_handful_of_times() {
    for seed in 0..20 {
        let (asked, bare) = play(seed, s(30), Duration::from_millis(100), true, false, &|time| (time < s(5) || time >= s(15)).then_some(s(2)));
        let during = asked.iter().filter(|time| (s(5)..s(15)).contains(*time)).count();
        assert!((4..=14).contains(&during), "{during}: {asked:?}");
        assert!(bare.iter().all(|time| (s(5)..s(25)).contains(time)) && !bare.is_empty(), "{bare:?}");
    }
}

#[test]
fn expired_credentials_of_ec2_are_used_on_while_no_others_can_be_had_and_others_are_not() {
    for (outlive, expected) in [(true, 0), (false, 1)] {
        let (asked, bare) = play(5, s(3 * 3600), s(10), true, outlive, &|time| (time < s(10)).then_some(s(3600)));
        assert_eq!(usize::from(!bare.is_empty()), expected, "{bare:?}");
        if outlive {
            let extended = asked.iter().filter(|time| **time > s(3601)).count();
            assert!((8..=25).contains(&extended), "{extended}: {asked:?}");
        }
    }
    // The service of a region that is in trouble gives what has expired.
    let (asked, bare) = play(6, s(3600), s(10), true, true, &|_| Some(Duration::ZERO));
    assert!(bare.is_empty() && asked.len() <= 16, "{asked:?}");
}

#[test]
fn what_has_expired_by_our_clock_when_it_comes_is_used_for_a_minute_and_never_makes_a_loop() {
    let (asked, bare) = play(7, s(600), Duration::from_millis(100), true, false, &|_| Some(Duration::ZERO));
    assert!(bare.is_empty() && asked.len() <= 25 && closest(&asked) >= s(29), "{asked:?}");
}

#[test]
fn a_source_that_asks_to_be_left_alone_is_left_alone() {
    let (mut refresh, mut random) = (Refresh::default(), Random::from_seed(8));
    assert_eq!(refresh.failed(START, false, Some(s(120)), &mut random), Left::Nothing);
    assert_eq!(refresh.wait(START), Some(s(120)));
    assert_eq!(refresh.wait(after(s(120))), None);
}

#[test]
fn a_wall_clock_that_was_moved_by_years_moves_no_deadline_but_makes_a_look_due() {
    let year = s(365 * 86_400);
    let mut random = Random::from_seed(9);
    for moved in [|now: Now, by| Now { wall: now.wall + by, ..now }, |now: Now, by| Now { wall: now.wall - by, ..now }] {
        let mut refresh = Refresh::default();
        refresh.found(START, Some(Deadline(START.mono + s(3600))), false, &mut random);
        assert!(!refresh.is_due(moved(after(s(60)), s(200)), true), "a small correction is none");
        let now = moved(after(s(60)), year);
        assert!(refresh.is_good(now) && refresh.is_due(now, false), "good still, but the expiry may have been reckoned with the wrong clock");
        assert_eq!(refresh.failed(now, true, None, &mut random), Left::Good);
        assert!(!refresh.is_due(now, false), "not in a loop");
        refresh.found(now, Some(Deadline(now.mono + s(3600))), false, &mut random);
        assert!(!refresh.is_due(Now { mono: now.mono + s(60), wall: now.wall + s(60) }, true), "reckoned anew, once");
        // What was refused for the time of day is asked again at once with the right one.
        assert_eq!(refresh.failed(now, false, Some(s(60)), &mut random), Left::Nothing);
        assert!(refresh.wait(now).is_some() && refresh.wait(START).is_none());
    }
}

#[test]
fn keys_that_never_expire_are_never_due() {
    let (mut refresh, mut random) = (Refresh::default(), Random::from_seed(10));
    refresh.found(START, None, false, &mut random);
    let late = after(s(10 * 365 * 86_400));
    assert!(refresh.is_good(late) && !refresh.is_due(late, true) && refresh.next(late).is_none());
}
