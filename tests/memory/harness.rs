//! The program's way in one thread: bytes, blocks, spool, records, and either a made-up answer or a real request.

use std::time::Duration;

use kinegraf::config::{Config, Destination, Environment, Level, Pack};
use kinegraf::daemon;
use kinegraf::daemon::disks::{AnyDisk, Disks};
use kinegraf::input::intake::Intake;
use kinegraf::kinesis::batch::Batch;
use kinegraf::kinesis::outcome::{Outcome, Reply};
use kinegraf::limits::READ_SIZE;
use kinegraf::log::{Hold, Log};
use kinegraf::pipeline::{Pipeline, Step};
use kinegraf::sender::Sender;

use kinegraf::time::{Clock, Now};

use crate::support::{self, Server};

pub(crate) struct Way {
    pub(crate) intake: Intake,
    pub(crate) pipeline: Pipeline<AnyDisk>,
    pub(crate) batch: Batch,
    now: Now,
}

/// The defaults with this packing; to `server` where there is one.
pub(crate) fn config(pack: Pack, server: Option<&Server>) -> Config {
    let url = server.map_or("http://127.0.0.1:1/".to_owned(), |server| server.url() + "/");
    let mut config = Config::defaults(Destination { region: support::REGION.into(), stream: support::STREAM.into(), url });
    config.packing.pack = pack;
    config
}

/// A sender that trusts the server, if it speaks TLS.
pub(crate) fn sender(config: &Config, server: &Server) -> Sender {
    let keys = [("AWS_ACCESS_KEY_ID", support::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY)];
    let mut config = config.clone();
    if server.url().starts_with("https") {
        config.network.ca_files.push(kinegraf::config::CaFile { path: server.ca_file().to_owned(), named_by: "a test".into() });
    }
    let destination = config.destination.clone().expect("config() gives one");
    let log = Log::new(Level::Error, Hold::No, Box::new(std::io::sink()));
    Sender::new(&config, destination, Environment::from_pairs(&keys), Clock::new(), log).expect("a good CA file")
}

impl Way {
    pub(crate) fn new(config: &Config) -> Way {
        let now = Clock::new().now();
        let batch = Batch::new(config.delivery.request_size);
        Way { intake: daemon::intake(config), pipeline: daemon::pipeline(config, Disks::in_memory(config), now), batch, now }
    }

    /// Reads `bytes` in the program's pieces, each line of them good; `full` makes room when the spool has none.
    pub(crate) fn read(&mut self, bytes: &[u8], mut full: impl FnMut(&mut Way)) {
        for piece in bytes.chunks(READ_SIZE) {
            self.intake.space()[..piece.len()].copy_from_slice(piece);
            self.intake.filled(piece.len());
            while self.intake.next_block(self.now, &mut |rejection| panic!("{rejection:?}")) {
                while self.pipeline.accept(self.now, self.intake.block()).is_err() {
                    full(self);
                }
            }
        }
    }

    /// Delivers what it can until it would have to wait; `answer` answers a request.
    pub(crate) fn deliver(&mut self, mut answer: impl FnMut(&mut Batch) -> Reply) {
        self.now.mono += Duration::from_millis(1);
        while self.pipeline.poll(self.now, &mut self.batch) == Step::Send {
            let reply = answer(&mut self.batch);
            assert!(matches!(reply, Reply::Answered), "{reply:?}");
            self.pipeline.on_reply(self.now, &mut self.batch, reply, &mut |_, _| panic!("nothing is given up"));
        }
    }
}

/// An answer that says that everything is stored.
pub(crate) fn stored(batch: &mut Batch) -> Reply {
    batch.outcomes.clear();
    batch.outcomes.resize(batch.window(), Outcome::Stored);
    Reply::Answered
}
