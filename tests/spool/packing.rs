//! What packing and unpacking hold in memory, so that the sum of `memory.rs` is true.

use kinegraf::spool::codec::{Packing, Unpacking};

#[test]
fn the_states_hold_what_they_say_and_a_block_allocates_nothing() {
    let plain: Vec<u8> = (0..300).flat_map(|line| format!("cpu,host=a usage={line} 1800000000000000000\n").into_bytes()).collect();
    let (mut packed, mut out) = (Vec::with_capacity(plain.len()), Vec::with_capacity(plain.len()));
    let held = |made: &mut dyn FnMut()| usize::try_from(allocation_counter::measure(made).bytes_max).unwrap();
    let packing = held(&mut || assert!(Packing::new().pack(&plain, &mut packed)));
    let unpacking = held(&mut || Unpacking::new().unpack(&packed, plain.len(), &mut out).unwrap());
    assert!(packing <= Packing::MEMORY && packing > Packing::MEMORY * 9 / 10, "{packing} bytes to pack");
    assert!(unpacking <= Unpacking::MEMORY && unpacking > Unpacking::MEMORY * 8 / 10, "{unpacking} bytes to unpack");
    let (mut packing, mut unpacking) = (Packing::new(), Unpacking::new());
    let again = allocation_counter::measure(|| {
        for _ in 0..3 {
            out.clear();
            assert!(packing.pack(&plain, &mut packed));
            unpacking.unpack(&packed, plain.len(), &mut out).unwrap();
        }
    });
    assert_eq!((again.count_total, out == plain), (0, true));
}
