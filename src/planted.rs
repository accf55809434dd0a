//! Mistakes that somebody could make in this program, each at its place, so that the simulation can prove that it would find them. Only with the cargo feature
//! `planted-bugs`, which nothing that is released has; without it there is no code of it. One is chosen for a thread with `set`; none is, unless a test does.

/// A mistake, named after what the program does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// What is in the packer or on its way counts as acknowledged.
    AcknowledgesBeforeTheReply,
    /// The next position is behind the data, wherever the cursor is.
    ReusesPositions,
    /// Of a request that was stored in part everything is sent again.
    ResendsStoredRecords,
    /// A failed send lets nothing settle before the end.
    DoesNotSettleWhenBehind,
    /// The last block counts as settled when the one before is.
    LosesTheTail,
    /// Hot lets go of what settles before the sync has returned.
    LetsGoBeforeTheSync,
    /// A sync that failed counts as one that did not.
    TrustsAFailedSync,
    /// The cursor says how far was read, not how far was acknowledged.
    WritesTheCursorTooEarly,
    /// A record that was refused alone stays in front, so that the next one is taken for it.
    BlamesTheWrongHalf,
    /// Segments are not told apart by their stream.
    SendsToAnotherStream,
    /// A segment of which lines are on their way makes room.
    DropsTheSegmentInFlight,
    /// A run ends with 0 when lines are nowhere safe.
    EndsWithZero,
    /// What a torn tail has left stays in front of the next block.
    LeavesATornTail,
    /// Lines that are handed back stay on the cold disk.
    KeepsWhatItHandsBack,
    /// With `sync = "always"` the input does not wait.
    ReadsOn,
    /// Segments go when they were read, though nobody has acknowledged them.
    ForgetsWhatIsOpen,
    /// A sender that waits is told that its lines are durable once they were asked to be.
    VouchesForWhatWillSettle,
    /// A sender that waits is not told that some of its lines were given up.
    OverlooksWhatWasDropped,
}

impl Bug {
    /// Each of them.
    pub const ALL: [Bug; 18] = [
        Bug::AcknowledgesBeforeTheReply,
        Bug::ReusesPositions,
        Bug::ResendsStoredRecords,
        Bug::DoesNotSettleWhenBehind,
        Bug::LosesTheTail,
        Bug::LetsGoBeforeTheSync,
        Bug::TrustsAFailedSync,
        Bug::WritesTheCursorTooEarly,
        Bug::BlamesTheWrongHalf,
        Bug::SendsToAnotherStream,
        Bug::DropsTheSegmentInFlight,
        Bug::EndsWithZero,
        Bug::LeavesATornTail,
        Bug::KeepsWhatItHandsBack,
        Bug::ReadsOn,
        Bug::ForgetsWhatIsOpen,
        Bug::VouchesForWhatWillSettle,
        Bug::OverlooksWhatWasDropped,
    ];
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this mistake is to be made.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// No mistake is.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

/// From here on this thread makes one mistake, or none.
#[cfg(feature = "planted-bugs")]
pub fn set(bug: Option<Bug>) {
    PLANTED.set(bug);
}
