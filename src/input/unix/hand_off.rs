//! The daemon's side of a hand-off: one client's words, and the batches whose senders left before they were answered.
//!
//! A batch is answered once, when the last of its lines is delivered or durable. What always holds: no answer says more than the pipeline does; a batch that
//! was cut, or of which lines were dropped meanwhile, is offered again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::input::hand_off::{Answer, Batch, GO, HELLO, MARK, Offer, REMEMBERED_MAX, WORD_SIZE_MAX, ready};
use crate::pipeline::Fate;
use crate::spool::block::Position;
use crate::time::{Deadline, Now};

/// How long delivery has before the lines are made durable.
pub(super) const DELIVER_FIRST: Duration = Duration::from_secs(1);

/// What the pipeline says of the lines that were handed over.
#[derive(Clone, Debug)]
pub struct Books {
    /// Behind everything that was accepted.
    pub end: Position,
    /// Lines that were given up for want of room or could not be read.
    pub dropped: u64,
    /// Why nothing is delivered, if it is not.
    pub failure: Option<String>,
}

/// A batch whose sender left before it was answered.
#[derive(Clone, Copy, Debug)]
struct Left {
    batch: Batch,
    taken: Taken,
}

/// What was accepted of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    end: Position,
    lines: u64,
    rejected: u64,
    /// Lines that were dropped until then, of whatever sender.
    dropped: u64,
}

/// The batches that may be offered again, newest last.
#[derive(Debug, Default)]
pub(super) struct Offers {
    left: VecDeque<Left>,
}

impl Offers {
    fn remember(&mut self, batch: Batch, taken: Taken) {
        self.left.retain(|left| left.batch != batch);
        if self.left.len() == REMEMBERED_MAX {
            self.left.pop_front();
        }
        self.left.push_back(Left { batch, taken });
    }

    fn known(&self) -> impl Iterator<Item = Batch> + '_ {
        self.left.iter().rev().map(|left| left.batch)
    }

    /// Forgets a batch that is offered again: from here on it is the new one's beginning.
    fn take(&mut self, batch: Batch) -> Option<Taken> {
        let n = self.left.iter().position(|left| left.batch == batch)?;
        self.left.remove(n).map(|left| left.taken)
    }
}

/// Where a client is.
#[derive(Debug)]
pub(super) enum HandOff {
    /// It may be one: nothing but a beginning was seen.
    Perhaps,
    /// It is none.
    No,
    /// It was told what is known, and has to offer its batch.
    Greeted,
    /// Its lines come.
    Taking { offer: Offer, before: Option<Taken>, bytes_before: u64 },
    /// All of them were accepted.
    Waiting { batch: Option<Batch>, taken: Taken, since: Duration, asked: bool },
    /// It was answered, or has left.
    Over,
}

/// What a client's bytes have said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// They are lines.
    Lines,
    /// More is needed to tell.
    Nothing,
    /// A whole word, to be forgotten; this is the answer to it. `again`: a batch, or the beginning of one, was offered before.
    Word { answer: String, lines_follow: bool, again: bool },
    /// No word of this protocol.
    Nonsense,
}

impl HandOff {
    /// Looks at what a client has sent and nobody has taken. `bytes`: all that it has sent.
    pub(super) fn hear(&mut self, held: &[u8], bytes: u64, offers: &mut Offers) -> Heard {
        let word = || -> Option<&str> {
            let newline = held.iter().position(|b| *b == b'\n')?;
            // Nobody sends more before the answer.
            std::str::from_utf8(held).ok().filter(|_| newline + 1 == held.len())
        };
        let unfinished = held.len() < WORD_SIZE_MAX && !held.contains(&b'\n');
        match self {
            HandOff::Perhaps if held.starts_with(MARK) && unfinished || held.len() < MARK.len() && MARK.starts_with(held) => Heard::Nothing,
            HandOff::Perhaps if word() == Some(HELLO) => {
                *self = HandOff::Greeted;
                Heard::Word { answer: ready(offers.known()), lines_follow: false, again: false }
            }
            HandOff::Perhaps if held.starts_with(MARK) => Heard::Nonsense,
            HandOff::Greeted if unfinished => Heard::Nothing,
            HandOff::Greeted => {
                let Some(offer) = word().and_then(Offer::parse) else { return Heard::Nonsense };
                let before = match offer.known {
                    None => None,
                    Some(batch) => match offers.take(batch) {
                        None => return Heard::Nonsense,
                        before => before,
                    },
                };
                *self = HandOff::Taking { offer, before, bytes_before: bytes };
                Heard::Word { answer: GO.to_owned(), lines_follow: true, again: before.is_some() }
            }
            _ => {
                *self = HandOff::No;
                Heard::Lines
            }
        }
    }

    /// Whether what comes is to be looked at before lines are made of it.
    pub(super) fn listens(&self) -> bool {
        matches!(self, HandOff::Perhaps | HandOff::Greeted)
    }

    /// Whether it waits for its answer.
    pub(super) fn waits(&self) -> bool {
        matches!(self, HandOff::Waiting { .. })
    }

    /// Whether it need not be kept for an answer.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, HandOff::Taking { .. } | HandOff::Waiting { .. })
    }

    /// Everything that came was accepted, and no more will. False where it is not whole, which is not answered.
    pub(super) fn accepted(&mut self, now: Now, (bytes, lines, rejected): (u64, u64, u64), books: &Books) -> bool {
        let HandOff::Taking { offer, before, bytes_before } = self else { return false };
        let size = bytes - *bytes_before + offer.known.map_or(0, |known| known.size);
        let mut taken = Taken { end: books.end, lines, rejected, dropped: books.dropped };
        if let Some(before) = before {
            (taken.lines, taken.rejected) = (taken.lines + before.lines, taken.rejected + before.rejected);
            taken.dropped = before.dropped;
        }
        let is_whole = offer.whole.is_none_or(|whole| whole.size == size);
        *self = if is_whole { HandOff::Waiting { batch: offer.whole, taken, since: now.mono, asked: false } } else { HandOff::Over };
        is_whole
    }

    /// What to tell a client that waits, if there is something. `fate` judges a position. True beside it where its lines are to be made durable.
    pub(super) fn answer(&mut self, now: Now, books: &Books, fate: &dyn Fn(Position) -> Fate) -> (Option<Answer>, bool) {
        let HandOff::Waiting { taken, since, asked, .. } = self else { return (None, false) };
        let Taken { end, lines, rejected, dropped } = *taken;
        let answer = match fate(end) {
            _ if books.dropped > dropped => Answer::Again("lines were given up meanwhile, perhaps of this batch".to_owned()),
            Fate::Delivered => Answer::Delivered { lines, rejected },
            Fate::Durable => Answer::Kept { lines, rejected },
            Fate::Waiting => {
                let ask = !*asked && Deadline(*since + DELIVER_FIRST).passed(now);
                *asked |= ask;
                let why = books.failure.clone().unwrap_or_else(|| "no answer yet".to_owned());
                return (ask.then_some(Answer::Waiting(why)), ask);
            }
        };
        *self = HandOff::Over;
        (Some(answer), false)
    }

    /// When a client that waits is to be looked at again.
    pub(super) fn due(&self) -> Option<Deadline> {
        match self {
            HandOff::Waiting { since, asked: false, .. } => Some(Deadline(*since + DELIVER_FIRST)),
            _ => None,
        }
    }

    /// The client has left: what it handed over may be offered again.
    pub(super) fn leave(&mut self, offers: &mut Offers) {
        if let HandOff::Waiting { batch: Some(batch), taken, .. } = self {
            offers.remember(*batch, *taken);
        }
        *self = HandOff::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &[u8] = b"cpu v=1 1\nmem v=2 2\n";

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: Duration::ZERO }
    }

    fn books(end: u64, dropped: u64) -> Books {
        Books { end: Position(end), dropped, failure: Some("no route to host".into()) }
    }

    /// A client that has offered all of `BATCH` but what is `known`, and sent it.
    fn taken(offers: &mut Offers, known: Option<Batch>) -> HandOff {
        let mut hand_off = HandOff::Perhaps;
        assert!(matches!(hand_off.hear(HELLO.as_bytes(), 20, offers), Heard::Word { lines_follow: false, .. }));
        let offer = Offer { whole: Some(Batch::of(BATCH)), known }.to_string();
        let heard = hand_off.hear(offer.as_bytes(), 100, offers);
        assert_eq!(heard, Heard::Word { answer: GO.into(), lines_follow: true, again: known.is_some() });
        let size = BATCH.len() as u64 - known.map_or(0, |known| known.size);
        assert!(hand_off.accepted(at(10), (100 + size, 2, 0), &books(7, 0)));
        hand_off
    }

    #[test]
    fn an_answer_says_no_more_than_the_pipeline_does_and_asks_for_durability_after_a_second() {
        let mut hand_off = taken(&mut Offers::default(), None);
        let fate = |fate: Fate| move |end: Position| if end == Position(7) { fate } else { Fate::Delivered };
        assert_eq!(hand_off.answer(at(10), &books(9, 0), &fate(Fate::Waiting)), (None, false));
        assert_eq!(hand_off.due(), Some(Deadline(Duration::from_secs(11))));
        assert_eq!(hand_off.answer(at(11), &books(9, 0), &fate(Fate::Waiting)), (Some(Answer::Waiting("no route to host".into())), true));
        assert_eq!(hand_off.answer(at(12), &books(9, 0), &fate(Fate::Waiting)), (None, false));
        assert_eq!(hand_off.answer(at(13), &books(9, 0), &fate(Fate::Durable)), (Some(Answer::Kept { lines: 2, rejected: 0 }), false));
        assert!(hand_off.is_over());
        let mut hand_off = taken(&mut Offers::default(), None);
        assert_eq!(hand_off.answer(at(10), &books(9, 0), &fate(Fate::Delivered)).0, Some(Answer::Delivered { lines: 2, rejected: 0 }));
    }

    #[test]
    fn a_batch_of_which_lines_may_have_been_dropped_is_offered_again() {
        let mut hand_off = taken(&mut Offers::default(), None);
        assert!(matches!(hand_off.answer(at(11), &books(9, 1), &|_| Fate::Delivered), (Some(Answer::Again(_)), false)));
    }

    #[test]
    fn a_batch_that_was_cut_is_never_answered() {
        let (mut offers, mut hand_off) = (Offers::default(), HandOff::Greeted);
        let offer = Offer { whole: Some(Batch::of(BATCH)), known: None }.to_string();
        hand_off.hear(offer.as_bytes(), 0, &mut offers);
        assert!(!hand_off.accepted(at(1), (BATCH.len() as u64 - 1, 1, 1), &books(7, 0)) && hand_off.is_over());
    }

    #[test]
    fn what_a_sender_left_unanswered_is_known_once_and_answered_with_what_follows_it() {
        let mut offers = Offers::default();
        taken(&mut offers, None).leave(&mut offers);
        let known: Vec<Batch> = offers.known().collect();
        assert_eq!(known, [Batch::of(BATCH)]);
        let mut again = taken(&mut offers, Some(known[0]));
        assert_eq!(offers.known().count(), 0);
        assert_eq!(again.answer(at(10), &books(9, 0), &|_| Fate::Delivered).0, Some(Answer::Delivered { lines: 4, rejected: 0 }));
        for n in 0..20_u8 {
            offers.remember(Batch::of(&[n]), Taken { end: Position(1), lines: 1, rejected: 0, dropped: 0 });
        }
        assert_eq!((offers.known().count(), offers.known().next()), (REMEMBERED_MAX, Some(Batch::of(&[19]))));
    }

    #[test]
    fn what_looks_like_a_word_is_told_from_lines_and_from_nonsense() {
        let mut offers = Offers::default();
        let mut hear = |held: &[u8]| HandOff::Perhaps.hear(held, 0, &mut offers);
        for held in [&b"#kine"[..], b"#", b"#kinegraf-forward 1"] {
            assert_eq!(hear(held), Heard::Nothing);
        }
        for held in [&b"# a comment\n"[..], b"cpu v=1 1\n", b"#kinegraf\n"] {
            assert_eq!(hear(held), Heard::Lines);
        }
        for held in [&b"#kinegraf-forward 2\n"[..], b"#kinegraf-forward 1\ncpu v=1 1\n"] {
            assert_eq!(hear(held), Heard::Nonsense);
        }
        let unknown = Offer { whole: None, known: Some(Batch::of(b"x")) }.to_string();
        for held in [unknown.as_bytes(), b"cpu v=1 1\n", &[b'x'; WORD_SIZE_MAX]] {
            assert_eq!(HandOff::Greeted.hear(held, 0, &mut offers), Heard::Nonsense);
        }
    }
}
