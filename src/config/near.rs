//! What somebody who wrote one name may have meant: edit distance over short ASCII names. Names longer than 64 bytes are like nothing.

/// Longest name that is compared, in bytes; bounds the work of a hostile file.
const NAME_SIZE_MAX: usize = 64;

/// The candidate nearest to `name`, when it is near enough to be meant: a third of its letters wrong, two swapped, or one the beginning of the other.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let allowed = (name.len().min(candidate.len()) / 3).max(1);
        let distance = match begins(&name, candidate) {
            true => 1,
            false if name.len().abs_diff(candidate.len()) > allowed => continue,
            false => distance(&name, candidate)?,
        };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn begins(a: &str, b: &str) -> bool {
    a.len().min(b.len()) >= 4 && (a.starts_with(b) || b.starts_with(a))
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment); `-` and `_` are the same. None for names too long.
fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > NAME_SIZE_MAX || b.len() > NAME_SIZE_MAX {
        return None;
    }
    let same = |x: u8, y: u8| x == y || (matches!(x, b'-' | b'_') && matches!(y, b'-' | b'_'));
    let mut rows = [[0u8; NAME_SIZE_MAX + 1]; 3];
    for (cell, j) in rows[0].iter_mut().zip(0..) {
        *cell = j;
    }
    for i in 1..=a.len() {
        let (before_last, last, row) = ((i + 1) % 3, (i - 1) % 3, i % 3);
        rows[row][0] = rows[last][0] + 1;
        for j in 1..=b.len() {
            let replaced = rows[last][j - 1] + u8::from(!same(a[i - 1], b[j - 1]));
            let mut least = replaced.min(rows[last][j] + 1).min(rows[row][j - 1] + 1);
            if i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) {
                least = least.min(rows[before_last][j - 2] + 1);
            }
            rows[row][j] = least;
        }
    }
    Some(usize::from(rows[a.len() % 3][b.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ca", "ac", 1), ("reqest", "request", 1), ("a-b", "a_b", 0)]
        {
            assert_eq!(distance(a, b), Some(expected), "{a} {b}");
            assert_eq!(distance(b, a), Some(expected), "{b} {a}");
        }
        assert_eq!(distance(&"x".repeat(65), "x"), None);
    }

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_finds_none() {
        let names = ["region", "streamname", "secret_key", "access_key", "endpoint_url"];
        assert_eq!(nearest("regoin", names), Some("region"));
        assert_eq!(nearest("stream", names), Some("streamname"));
        assert_eq!(nearest("secretkey", names), Some("secret_key"));
        assert_eq!(nearest("acces-key", names), Some("access_key"));
        assert_eq!(nearest("REGION", names), Some("region"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }
}
