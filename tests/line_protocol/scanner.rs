//! What a line says.

use kinegraf::line::point::Point;
use proptest::prelude::*;

use crate::cases;
use crate::generator::{escaped, known, noise};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn owned<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Pairs {
    pairs.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn every_line_that_telegraf_can_write_is_read_as_it_was_meant(known in known()) {
        let text = known.written();
        let point = Point::parse(&text).map_err(|error| TestCaseError::fail(format!("{error:?} in {:?}", String::from_utf8_lossy(&text))))?;
        prop_assert_eq!(point.measurement(), escaped(&known.measurement, b", "));
        let tags: Pairs = known.tags.iter().map(|(key, value)| (escaped(key, b", ="), escaped(value, b", ="))).collect();
        prop_assert_eq!(owned(point.tags()), tags);
        let fields: Pairs = known.fields.iter().map(|(key, value)| (escaped(key, b", ="), value.clone())).collect();
        prop_assert_eq!(owned(point.fields()), fields);
        prop_assert_eq!(point.timestamp().map(<[u8]>::to_vec), known.timestamp.map(|timestamp| timestamp.to_string().into_bytes()));
        for (key, _) in &known.tags {
            if let Ok(key) = str::from_utf8(key) {
                let first = known.tags.iter().find(|(other, _)| other == key.as_bytes()).map(|(_, value)| escaped(value, b", ="));
                prop_assert_eq!(point.tag(key).map(<[u8]>::to_vec), first);
            }
        }
    }

    #[test]
    fn any_bytes_are_scanned_and_an_error_points_into_the_line_or_right_behind_it(text in noise(30)) {
        match Point::parse(&text) {
            Ok(point) => {
                prop_assert!(!point.measurement().is_empty());
                prop_assert!(point.fields().count() > 0);
                prop_assert!(point.tags().chain(point.fields()).all(|(key, value)| !key.is_empty() && !value.is_empty()));
            }
            Err(error) => prop_assert!((1..=text.len() + 1).contains(&error.column), "{:?}", error),
        }
    }
}

#[test]
fn tags_and_fields_are_given_as_they_stand() {
    let point = Point::parse(br#" c\,p u"#).err();
    assert!(point.is_some());
    let point = Point::parse(br#" c\,pu,a="x,b=y",c\=d==e f="a,b=\"c\"",g=-1.5e3,h=t 7 "#).expect("a line");
    assert_eq!(point.measurement(), br"c\,pu");
    assert_eq!(owned(point.tags()), pairs(&[("a", "\"x"), ("b", "y\""), (r"c\=d", "=e")]));
    assert_eq!(owned(point.fields()), pairs(&[("f", r#""a,b=\"c\"""#), ("g", "-1.5e3"), ("h", "t")]));
    assert_eq!(point.timestamp(), Some(b"7".as_slice()));
    assert_eq!((point.tag("c=d"), point.tag(r"c\=d"), point.tag("f")), (Some(b"=e".as_slice()), None, None));
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}
