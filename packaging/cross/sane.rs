//! Asks a target's std and libc what a program for boards relies on: waits that last as long as they were told, times after 2038, files beyond 4 GiB, atomics
//! of 64 bits. Run by packaging/check under the target's oldest processor; ends with the first answer that is wrong.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

fn main() {
    for wait in [Duration::from_millis(150), Duration::from_millis(1150)] {
        lasts("Condvar::wait_timeout", wait, || drop(Condvar::new().wait_timeout(Mutex::new(()).lock().unwrap(), wait)));
        lasts("sleep", wait, || std::thread::sleep(wait));
        let (sender, receiver) = mpsc::channel::<()>();
        lasts("a receive with a timeout", wait, || assert!(receiver.recv_timeout(wait).is_err()));
        drop(sender);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_read_timeout(Some(wait)).unwrap();
        lasts("a read with a timeout", wait, || assert!(socket.read(&mut [0]).is_err()));
    }

    let directory = std::env::temp_dir().join(format!("sane-{}", std::process::id()));
    let file = std::fs::File::create(&directory).unwrap();
    std::fs::remove_file(&directory).unwrap();
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 32);
    file.set_modified(later).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), later, "a file of 2106");
    file.set_len(5 << 30).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5 << 30, "a file of 5 GiB");

    let counter = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| _ = counter.fetch_add((1 << 32) + 1, Ordering::Relaxed)));
        }
    });
    assert_eq!(counter.into_inner(), (4000 << 32) + 4000, "an atomic of 64 bits");
    println!("sane");
}

#[track_caller]
fn lasts(what: &str, wait: Duration, act: impl FnOnce()) {
    let start = Instant::now();
    act();
    let took = start.elapsed();
    // The upper bound is for a machine with much else to do.
    assert!(took >= wait && took < wait + Duration::from_secs(5), "{what} of {wait:?} took {took:?}");
}
