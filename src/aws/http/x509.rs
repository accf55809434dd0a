//! Three things that a certificate says of itself: its subject's common name, from when until when it is valid, and its public key. Nothing is verified here.
//!
//! A walk over the fixed beginning of RFC 5280's `TBSCertificate`, from the outside in. Every length is compared with what is there, nothing recurses, and
//! whatever is not as expected is answered with `None`.

use std::time::Duration;

use super::date::{number, since_epoch};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `[0]`, around the version, which certificates of version 1 lack.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// 16 bits a character; the other kinds of strings are read as UTF-8.
const BMP_STRING: u8 = 0x1e;
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// The last one of the subject, which is the most specific.
    pub(super) common_name: Option<String>,
    /// Since the Unix epoch; nothing when one of the two cannot be read.
    pub(super) valid: Option<(Duration, Duration)>,
    /// `SubjectPublicKeyInfo`, with its tag and length.
    pub(super) public_key: &'a [u8],
}

/// Reads a certificate in DER.
pub(super) fn read(der: &[u8]) -> Option<Facts<'_>> {
    let certificate = Reader(der).take(SEQUENCE)?;
    let mut fields = Reader(Reader(certificate).take(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.any()?;
    }
    // Serial number, algorithm of the signature, issuer.
    for _ in 0..3 {
        fields.any()?;
    }
    let (validity, subject) = (fields.take(SEQUENCE)?, fields.take(SEQUENCE)?);
    let (before, rest) = (fields.0, fields.take(SEQUENCE).map(|_| fields.0)?);
    let public_key = &before[..before.len() - rest.len()];
    let mut validity = Reader(validity);
    let valid = validity.time().and_then(|from| Some((from, validity.time()?)));
    Some(Facts { common_name: common_name(subject), valid, public_key })
}

fn common_name(subject: &[u8]) -> Option<String> {
    let (mut found, mut sets) = (None, Reader(subject));
    while let Some(set) = sets.take(SET) {
        let mut attributes = Reader(set);
        while let Some(attribute) = attributes.take(SEQUENCE) {
            let mut attribute = Reader(attribute);
            if attribute.take(OBJECT_IDENTIFIER)? == COMMON_NAME {
                let (kind, text) = attribute.any()?;
                found = string(kind, text);
            }
        }
    }
    found
}

fn string(kind: u8, text: &[u8]) -> Option<String> {
    if kind != BMP_STRING {
        return String::from_utf8(text.to_vec()).ok();
    }
    let (units, odd) = text.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16(&units).ok().filter(|_| odd.is_empty())
}

/// What is left of a sequence of elements.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The contents of the next element, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.any().map(|(_, contents)| contents)
    }

    /// Tag and contents of the next element. Tags of more than one byte and lengths of more than three do not occur here.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    /// `YYMMDDhhmmssZ`, of which the years from 50 on are those of the last century, or `YYYYMMDDhhmmssZ`.
    fn time(&mut self) -> Option<Duration> {
        let (tag, text) = self.any()?;
        let (year, rest) = match tag {
            UTC_TIME => text.split_at_checked(2).and_then(|(year, rest)| Some((number(year)?, rest)))?,
            GENERALIZED_TIME => text.split_at_checked(4).and_then(|(year, rest)| Some((number(year)?, rest)))?,
            _ => return None,
        };
        let year = match tag {
            UTC_TIME if year < 50 => year + 2000,
            UTC_TIME => year + 1900,
            _ => year,
        };
        let (pairs, end) = rest.as_chunks::<2>();
        let [month, day, hour, minute, second] = pairs else { return None };
        if end != b"Z" {
            return None;
        }
        since_epoch([year, number(month)?, number(day)?, number(hour)?, number(minute)?, number(second)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::string::BmpString;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, PublicKeyData, date_time_ymd};

    fn certificate(names: &[(DnType, DnValue)], until: i32) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        names.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), value.clone()));
        (params.not_before, params.not_after) = (date_time_ymd(2020, 2, 29), date_time_ymd(until, 12, 31));
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().der().to_vec(), key.subject_public_key_info())
    }

    #[test]
    fn the_name_the_time_and_the_key_of_a_certificate_are_found() {
        let utf8 = |text: &str| DnValue::Utf8String(text.into());
        let names = [(DnType::OrganizationName, utf8("works")), (DnType::CommonName, utf8("sensor-17"))];
        let (der, key) = certificate(&names, 2049);
        let valid = Some((Duration::from_secs(1_582_934_400), Duration::from_secs(2_524_521_600)));
        assert_eq!(read(&der), Some(Facts { common_name: Some("sensor-17".into()), valid, public_key: &key }));
        // From 2050 on the time is written in another form.
        let (der, key) = certificate(&[(DnType::CommonName, DnValue::BmpString(BmpString::try_from("Sensör").unwrap()))], 2100);
        let facts = read(&der).unwrap();
        assert_eq!((facts.common_name.as_deref(), facts.public_key), (Some("Sensör"), &*key));
        assert_eq!(facts.valid.unwrap().1, Duration::from_secs(4_133_894_400));
        assert_eq!(read(&certificate(&names[..1], 2049).0).unwrap().common_name, None);
    }

    #[test]
    fn a_certificate_that_is_cut_is_none() {
        let (der, _) = certificate(&[], 2049);
        assert!((0..der.len()).all(|size| read(&der[..size]).is_none()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(at in 0_usize..400, byte: u8, bytes: Vec<u8>) {
            let (mut der, _) = certificate(&[(DnType::CommonName, DnValue::Utf8String("x".into()))], 2049);
            let at = at % der.len();
            der[at] = byte;
            drop((read(&der), read(&bytes)));
        }
    }
}
