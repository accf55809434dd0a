//! Who is asked for credentials at this moment, as another thread may see it: the run may end meanwhile.
//!
//! Its last words then name who has not answered, and a helper program of `credential_process` does not outlive it: its process group is killed, and none is
//! started any longer.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How often [`Asking::end`] looks whether a program that is just being started has started, a millisecond apart: a file system that hangs holds nobody up.
const END_LOOKS: u32 = 50;

/// Shared by the chain, which asks, and whoever ends the run.
#[derive(Clone, Debug, Default)]
pub struct Asking(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    whom: Option<String>,
    /// Leader of a process group, not waited for yet, so that its number cannot be another's.
    helper: Option<Pid>,
    over: bool,
}

impl Asking {
    /// The run is over: kills the program that is running, keeps others from starting, and says who was being asked.
    pub fn end(&self) -> Option<String> {
        for _ in 0..END_LOOKS {
            let mut state = match self.0.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
            };
            state.over = true;
            state.helper.iter().for_each(|helper| kill(*helper));
            return state.whom.clone();
        }
        None
    }

    /// `whom` is asked from now on; nobody, when it is done.
    pub(super) fn set(&self, whom: Option<&str>) {
        self.lock().whom = whom.map(str::to_owned);
    }

    /// Starts a program, the leader of a process group of its own.
    pub(super) fn start(&self, spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
        let mut state = self.lock();
        if state.over {
            return Err(io::Error::other("the run is over"));
        }
        let child = spawn()?;
        state.helper = Some(Pid::from_child(&child));
        Ok(child)
    }

    /// Whether it has ended, and how; it is waited for then.
    pub(super) fn try_wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let mut state = self.lock();
        let ended = child.try_wait();
        if !matches!(ended, Ok(None)) {
            state.helper = None;
        }
        ended
    }

    /// Kills it, with its whole group.
    pub(super) fn kill(&self, child: &mut Child) {
        let mut state = self.lock();
        state.helper = None;
        kill(Pid::from_child(child));
        drop(state);
        drop(child.wait());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(leader: Pid) {
    _ = kill_process_group(leader, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    #[test]
    fn the_end_of_the_run_kills_the_program_and_starts_no_other() {
        let asking = Asking::default();
        assert_eq!(asking.end(), None);
        let asking = Asking::default();
        asking.set(Some("a program"));
        let spawn = || Command::new("sleep").arg("600").process_group(0).spawn();
        let mut child = asking.start(spawn).unwrap();
        assert!(asking.try_wait(&mut child).unwrap().is_none());
        assert_eq!(asking.end().as_deref(), Some("a program"));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(asking.try_wait(&mut child).unwrap().is_some() && asking.lock().helper.is_none());
        assert_eq!(asking.start(spawn).unwrap_err().to_string(), "the run is over");
    }
}
