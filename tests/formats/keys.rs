//! Partition keys made of several parts of a line.

use kinegraf::line::partition_key::{PartitionKey, PartitionMethod};
use kinegraf::line::template::{Names, NamesUsed, Template};

use crate::key_of;

/// FNV-1a (64 bits) of `cpu\nhost\na\nregion\nb\n` and so on. A later release that gives another key moves series to other shards.
#[test]
fn a_series_has_the_key_that_it_had_in_the_first_release() {
    let series = |line: &str| key_of(&PartitionMethod::Series, line.as_bytes()).0;
    assert_eq!(series("m v=1"), "08a97407b5507456");
    assert_eq!(series("cpu,host=edge-1,cpu=cpu0 usage_idle=98.5,usage_user=1.25 1519000000000000000"), "a4061c4809443924");
    assert_eq!(series("cpu,cpu=cpu0,host=edge-1 x=t"), "a4061c4809443924", "neither the order of tags nor fields matter");
    assert_eq!(series(r"m\ a\,b\=c,t\ k=v\ v v=1 5"), "a7dc6b20aae6006c");
    assert_eq!(series("m,a=1,a=2 v=1"), series("m,a=2 v=1"), "the last of two tags counts");
    assert_ne!(series("m,a=bc v=1"), series("m,ab=c v=1"));
}

#[test]
fn series_spread_evenly_over_the_shards() {
    assert_eq!(u128::from_be_bytes(md5(b"abc")), 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72, "the test suite of RFC 1321");
    for shards in [4u128, 16] {
        let mut counts = vec![0; shards as usize];
        for i in 0..10_000 {
            let line = format!("cpu,cpu=cpu{},host=edge-{:04} v=1", i % 8, i / 8);
            let key = key_of(&PartitionMethod::Series, line.as_bytes()).0;
            // Kinesis: the MD5 of the key as a number of 128 bits; shards have equal ranges of those.
            let hash = u128::from_be_bytes(md5(key.as_bytes()));
            counts[(hash / (u128::MAX / shards + 1)) as usize] += 1;
        }
        let even = 10_000 / shards as i32;
        // Five standard deviations.
        let far = (5.0 * f64::from(even).sqrt()) as i32;
        assert!(counts.iter().all(|count: &i32| (count - even).abs() < far), "{counts:?}");
    }
}

/// MD5 of at most 55 bytes, one block (RFC 1321).
fn md5(text: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut block = [0; 64];
    block[..text.len()].copy_from_slice(text);
    block[text.len()] = 0x80;
    block[56..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
    let word = |at: usize| u32::from_le_bytes(block[4 * at..][..4].try_into().unwrap());
    let start = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let [mut a, mut b, mut c, mut d] = start;
    for i in 0..64 {
        let (mix, at) = match i / 16 {
            0 => (b & c | !b & d, i),
            1 => (d & b | !d & c, 5 * i + 1),
            2 => (b ^ c ^ d, 3 * i + 5),
            _ => (c ^ (b | !d), 7 * i),
        };
        let constant = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
        let sum = a.wrapping_add(mix).wrapping_add(constant).wrapping_add(word(at % 16));
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4])));
    }
    let mut digest = [0; 16];
    for (at, (start, end)) in start.into_iter().zip([a, b, c, d]).enumerate() {
        digest[4 * at..][..4].copy_from_slice(&start.wrapping_add(end).to_le_bytes());
    }
    digest
}

fn names() -> Names {
    Names { hostname: Some("edge-7".to_owned()), machine_id: Some("0123abcd".to_owned()) }
}

fn template(text: &str) -> PartitionMethod {
    PartitionMethod::Template(Template::parse(text, &names(), &PartitionKey::default()).unwrap())
}

#[track_caller]
fn gives(text: &str, line: &str, key: &str) {
    assert_eq!(key_of(&template(text), line.as_bytes()), (key.to_owned(), false), "{text}");
}

#[test]
fn a_template_puts_a_key_together_from_parts_of_the_line_and_names_of_the_machine() {
    let line = "cpu,host=a,region=b\\ c v=1";
    gives("{measurement}-{tag:host}", line, "cpu-a");
    gives("{tag:region}/{tag:host}", line, "b c/a");
    gives("{hostname}.{machine_id}.{measurement}", line, "edge-7.0123abcd.cpu");
    gives("{hostname}", line, "edge-7");
    gives("{hostname|none} {machine_id|}", line, "edge-7 0123abcd");
    gives("{{{measurement}}} {{}} }}{{", line, "{cpu} {} }{");
    gives("é{measurement}é", "\u{20ac},a=b v=1", "é\u{20ac}é");
    gives("{tag:a:b}", "m,a:b=c v=1", "c");
    gives("{tag:a b}", r"m,a\ b=c v=1", "c");
}

#[test]
fn a_tag_that_a_line_lacks_has_a_default_and_no_key_is_empty() {
    let line = "cpu,host=a v=1";
    gives("{measurement}-{tag:rack}", line, "cpu-telegraf");
    gives("{measurement}-{tag:rack|none}", line, "cpu-none");
    gives("{measurement}{tag:rack|}", line, "cpu");
    gives("{tag:rack|a|b:c}", line, "a|b:c");
    gives("{measurement|none}", line, "cpu");
    gives("{tag:rack|}", line, "telegraf");
    let default = PartitionKey::new("elsewhere").unwrap();
    let method = PartitionMethod::Template(Template::parse("{tag:rack}", &Names::default(), &default).unwrap());
    assert_eq!(key_of(&method, line.as_bytes()).0, "elsewhere");
}

#[test]
fn a_name_that_is_not_known_needs_a_default() {
    let parse = |text: &str, names: &Names| Template::parse(text, names, &PartitionKey::default()).map(|_| ());
    let empty = Names { hostname: Some(String::new()), machine_id: None };
    for names in [Names::default(), empty] {
        assert_eq!(
            parse("é {hostname}", &names).unwrap_err(),
            "has {hostname} at character 3, but the host name of this machine is not known; give it a default, as in {hostname|unknown}"
        );
        assert!(parse("{machine_id}", &names).is_err() && parse("{machine_id|x}{hostname|}", &names).is_ok());
    }
    let used = |hostname, machine_id| NamesUsed { hostname, machine_id };
    assert_eq!(Template::names_used("{measurement} hostname {{hostname}}"), used(false, false));
    assert_eq!(Template::names_used("{hostname|x}"), used(true, false));
    assert_eq!(Template::names_used("{machine_id}{hostname}"), used(true, true));
    assert_eq!(Template::names_used("{machine_id} {oops"), used(false, true));
}

#[test]
fn a_template_that_says_nothing_sensible_is_refused_with_the_place_and_what_is_allowed() {
    let error = |text: &str| Template::parse(text, &names(), &PartitionKey::default()).unwrap_err();
    const ALLOWED: &str = "allowed are {measurement}, {tag:KEY}, {hostname} and {machine_id}, each also with |DEFAULT, and {{ or }} for a brace";
    for (text, expected) in [
        (
            "a {mesurement}",
            format!("has {{mesurement}} at character 3, which is unknown, did you mean {{measurement}} or {{tag:mesurement}}? {ALLOWED}"),
        ),
        ("{rack}", format!("has {{rack}} at character 1, which is unknown, did you mean {{tag:rack}}? {ALLOWED}")),
        ("{tags:rack}", format!("has {{tags:rack}} at character 1, which is unknown, did you mean {{tag:rack}}? {ALLOWED}")),
        ("{field:rack}", format!("has {{field:rack}} at character 1, which is unknown; {ALLOWED}")),
        ("éé{}", format!("has {{}} at character 3, which names nothing; {ALLOWED}")),
        ("{|x}", format!("has {{|x}} at character 1, which names nothing; {ALLOWED}")),
        ("{tag:}", "has {tag:} at character 1, which names no tag; write {tag:KEY}, such as {tag:host}".to_owned()),
        ("{tag|x}", "has {tag|x} at character 1, which names no tag; write {tag:KEY}, such as {tag:host}".to_owned()),
        ("{measurement}}", "has a } at character 14 that closes nothing; write }} for a brace".to_owned()),
        ("{measurement} {tag:host", format!("has a {{ at character 15 that is not closed; {ALLOWED}")),
        ("{tag:{measurement}}", format!("has a {{ at character 1 that is not closed; {ALLOWED}")),
        ("host", format!("has no placeholder, so that every line would get the same key (the method \"static\" says that); {ALLOWED}")),
        ("", format!("has no placeholder, so that every line would get the same key (the method \"static\" says that); {ALLOWED}")),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_key_of_a_template_is_cut_between_two_characters_at_256_units() {
    let line = |value: &str| format!("m,a={value} v=1").into_bytes();
    let method = template("<{tag:a}>");
    assert_eq!(key_of(&method, &line(&"x".repeat(254))), (format!("<{}>", "x".repeat(254)), false));
    assert_eq!(key_of(&method, &line(&"x".repeat(255))), (format!("<{}", "x".repeat(255)), true));
    assert_eq!(key_of(&method, &line(&"\u{1f600}".repeat(300))), (format!("<{}", "\u{1f600}".repeat(127)), true));
    assert_eq!(key_of(&template(&format!("{}{{tag:a}}", "y".repeat(300))), &line("x")), ("y".repeat(256), true));
    let invalid = [b"m,a=".as_slice(), &[0xff; 3], b"\\ \xe2\x82 v=1"].concat();
    assert_eq!(key_of(&method, &invalid).0, "<\u{fffd}\u{fffd}\u{fffd} \u{fffd}\u{fffd}>");
}
