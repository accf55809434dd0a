//! The program: arguments and environment in, an exit code out. The only place where the process ends.

use std::io::{BufWriter, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use kinegraf::aws::credentials::{Asking, Leftovers};
use kinegraf::cli::{self, Command, ForwardOptions, MigrateOptions, Options, SpoolAction, SpoolOptions};
use kinegraf::commands::forward;
use kinegraf::commands::migrate;
use kinegraf::commands::spool::drain::{self, Drain, DrainOptions};
use kinegraf::commands::spool::export::{self, ExportOptions};
use kinegraf::commands::spool::{Failure, list};
use kinegraf::config::{self, Config, DirectoryEntry, Environment, Files, Level, Listen};
use kinegraf::daemon::systemd::{self, Inherited, Systemd};
use kinegraf::daemon::{self, Output, Reload, Run, Service, Signals, Source, disks};
use kinegraf::ending;
use kinegraf::input::stdin;
use kinegraf::input::unix::{Listener, Sockets, SocketsOptions};
use kinegraf::limits::{FILE_SIZE_MAX, LISTENERS_MAX};
use kinegraf::log::{self, Hold, Log};
use kinegraf::sender::Sender;
use kinegraf::spool::os_disk::OpenError;
use kinegraf::time::Clock;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// The files of this machine.
const FILES: Files<'static> = Files { read: &read_file, list: &list_directory };

/// Diagnostics of a run without `--deadline` are held back this long, so that an early end shows its reason first.
const HELD_BACK: Duration = Duration::from_secs(5);

/// How long an end that a person must mend is put off where the program would be started again at once.
const RESPAWN: Duration = Duration::from_secs(5);
/// Bytes of lines that are written together.
const EXPORT_BUFFER_SIZE: usize = 64 << 10;

fn main() -> ExitCode {
    let clock = Clock::new();
    keep_memory_private();
    let spins = would_spin();
    let code = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => print(&cli::help()),
        Ok(Command::SpoolHelp(command)) => print(&cli::spool_help(command)),
        Ok(Command::MigrateHelp) => print(&cli::migrate_help()),
        Ok(Command::Version) => print(&format!("{}\n", cli::version())),
        Ok(Command::Run(options)) => run(&options, clock),
        Ok(Command::Forward(options)) => forward(&options, clock),
        Ok(Command::Migrate(options)) => migrate(&options),
        Ok(Command::Spool(options)) => spool(&options, clock),
        Err(error) => fail(ending::USAGE, &error.to_string()),
    };
    if spins && [ending::USAGE, ending::CONFIG].map(ExitCode::from).contains(&code) {
        std::thread::sleep(RESPAWN);
    }
    code
}

/// Telegraf's `outputs.execd` starts a program that ends at once again at once, unless its section has a `restart_delay`. Whoever wrote wrong arguments or a wrong
/// file should find that out from a few lines, not from a full log.
fn would_spin() -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let is = |at: usize, text: &str| arguments.get(at).is_some_and(|argument| argument == text);
    let telegraf = (0..arguments.len()).any(|at| is(at, "--log=telegraf") || is(at, "--log") && is(at + 1, "telegraf"));
    telegraf && !arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--deadline"))
}

/// Secrets are in it: no core dump, and no other process of the same user may look into it. Where the system refuses that, nothing else is wrong.
fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    _ = rustix::process::setrlimit(Resource::Core, none);
    _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

fn run(options: &Options, clock: Clock) -> ExitCode {
    let environment = Environment::from_process();
    let config = match config::load(options, &environment, FILES) {
        Ok(config) => config,
        Err(error) => return fail(error.exit_code(), &error.to_string()),
    };
    // Whoever says that lines come from standard input has nothing to do with systemd.
    let may_inherit = config.input.listen_is_default || config.input.listen.iter().any(|listen| *listen != Listen::Stdin);
    let inherited = if may_inherit { systemd::inherit(&environment, std::process::id()) } else { Ok(Vec::new()) };
    let inherited = match inherited {
        Ok(inherited) => inherited,
        Err(error) => return fail(ending::CONFIG, &error),
    };
    let on_sockets = !inherited.is_empty() || config.input.listen.iter().any(|listen| *listen != Listen::Stdin);
    let hold = match config.delivery.deadline {
        Some(_) => Hold::ToTheEnd,
        None if on_sockets => Hold::No,
        None => Hold::Until(HELD_BACK),
    };
    let log = Log::open(config.log, hold, &environment, !config.dry_run);
    config.notes.iter().for_each(|note| log.warn(format_args!("{note}")));
    warn_of_open_file(&config, &log);
    let asking = Asking::default();
    let leftovers = if on_sockets { Leftovers::Keys } else { Leftovers::All };
    let output = match output(&config, environment.clone(), clock, &log, &asking, leftovers) {
        Ok(output) => output,
        Err(error) => return fail(ending::CONFIG, &error),
    };
    let disks = match disks::open(&config, &environment, &clock) {
        Ok(disks) => disks,
        Err(error) => return fail(exit_code(&error), &error.to_string()),
    };
    disks.warnings.iter().for_each(|warning| log.warn(format_args!("{warning}")));
    // Not over the lines that somebody types.
    let status = std::io::stderr().is_terminal() && (on_sockets || !std::io::stdin().is_terminal()) && config.log.level == Level::Warn;
    let cannot = |error: std::io::Error| format!("the run could not start: {error}");
    let finished = Signals::listen().map_err(cannot).and_then(|mut signals| {
        if !on_sockets {
            let process_status = read_file(Path::new("/proc/self/status")).unwrap_or_default();
            signals.end_at_hangup(&String::from_utf8_lossy(&process_status)).map_err(cannot)?;
        }
        // Before anybody can find a socket: from then on somebody may want a reload.
        let service = if on_sockets { Some(service(options, &config, &environment, clock, &log, &signals, &asking).map_err(cannot)?) } else { None };
        let source = if on_sockets { sockets(&config, inherited, &log)? } else { stdin::open().map(Source::from).map_err(cannot)? };
        let run = Run { clock, log: log.clone(), signals, status, disks, backlog: None, service };
        daemon::run(&config, source, output, run).map_err(cannot)
    });
    let whom = asking.end();
    let mut summary = match finished {
        Ok(summary) => summary,
        Err(error) => return fail(ending::IO, &error),
    };
    whom.iter().for_each(|whom| summary.ending.was_asking(whom));
    summary.say(&log);
    log.end(&summary.ending.reason(config.destination.as_ref()));
    ExitCode::from(summary.ending.code())
}

/// Says that other users may read the secrets of the file.
fn warn_of_open_file(config: &Config, log: &Log) {
    let Some(path) = &config.secret_file else { return };
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o7777);
    if mode & 0o004 != 0 {
        log.warn(format_args!("{}: it holds a secret and every user may read it (mode {mode:04o}); chmod 640 or 600 it", path.display()));
    }
}

/// Everything that is listened on: what systemd passed, and the configured addresses that are not among that.
fn sockets(config: &Config, inherited: Vec<Inherited>, log: &Log) -> Result<Source, String> {
    let cannot = |error: std::io::Error| format!("the run could not start: {error}");
    let bind = |address| Listener::bind(address, config.input.socket_mode, config.input.socket_group.as_deref()).transpose();
    let is_passed = |address: &Listen| inherited.iter().any(|socket| socket.address.as_ref() == Some(address));
    let listen: Vec<&Listen> = config.input.listen.iter().filter(|address| !config.input.listen_is_default && !is_passed(address)).collect();
    if inherited.len() + listen.len() > LISTENERS_MAX {
        return Err(format!(
            "there are {} sockets with those that systemd passed, at most {LISTENERS_MAX} can be listened on",
            inherited.len() + listen.len()
        ));
    }
    let bound: Result<Vec<Listener>, _> = listen.iter().filter_map(|address| bind(address)).collect();
    let passed = inherited.into_iter().map(|socket| Listener::inherited(socket.socket, &socket.name));
    let listeners =
        passed.chain(bound.map_err(|error| error.to_string())?.into_iter().map(Ok)).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let options = SocketsOptions { clients: config.input.clients, intake: daemon::intake_options(config) };
    let mut sockets = Sockets::new(options, listeners, log.clone()).map_err(cannot)?;
    sockets.names().for_each(|name| log.info(format_args!("listening on {name}")));
    if listen.contains(&&Listen::Stdin) {
        let (file, kind) = stdin::open_file().map_err(cannot)?;
        sockets.add_stdin(file.into(), kind.tail());
    }
    Ok(sockets.into())
}

/// What a run on sockets does beside.
fn service(
    options: &Options,
    config: &Config,
    environment: &Environment,
    clock: Clock,
    log: &Log,
    signals: &Signals,
    asking: &Asking,
) -> std::io::Result<Service> {
    signals.listen_to_hangup()?;
    let read = {
        let (options, environment) = (options.clone(), environment.clone());
        move || config::load(&options, &environment, FILES).map_err(|error| error.to_string())
    };
    let output = {
        let (environment, log, asking) = (environment.clone(), log.clone(), asking.clone());
        move |config: &Config| output(config, environment.clone(), clock, &log, &asking, Leftovers::Nothing)
    };
    let reload = Reload::new(config.clone(), Box::new(read), Box::new(output));
    Ok(Service { systemd: Systemd::from_environment(environment, std::process::id()), reload })
}

fn exit_code(error: &OpenError) -> u8 {
    match error {
        OpenError::Locked { .. } => ending::TEMPORARY,
        OpenError::Refused { .. } => ending::CONFIG,
        OpenError::Full { .. } | OpenError::Failed { .. } => ending::IO,
    }
}

fn forward(options: &ForwardOptions, clock: Clock) -> ExitCode {
    let log = Log::stderr(options.level, Hold::ToTheEnd);
    let input = match stdin::open_file() {
        Ok((file, _)) => file,
        Err(error) => return fail(ending::IO, &format!("the run could not start: {error}")),
    };
    match forward::run(options, input, clock) {
        Ok(done) => {
            if done.rejected > 0 {
                log.warn(format_args!("{} lines are no line protocol and were rejected; the daemon's log shows them", done.rejected));
            }
            log.info(format_args!("{} lines {}", done.lines, if done.kept { "kept in the daemon's spool" } else { "delivered" }));
            log.end("");
            ExitCode::SUCCESS
        }
        Err(failure) => fail(failure.code, &failure.reason),
    }
}

fn migrate(options: &MigrateOptions) -> ExitCode {
    match migrate::run(options, &Environment::from_process(), FILES, &mut std::io::stdout()) {
        Ok(notes) => {
            let text: String = notes.iter().map(|note| format!("kinegraf: {note}\n")).collect();
            _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(failure) => fail(failure.exit_code(), &failure.to_string()),
    }
}

fn spool(options: &SpoolOptions, clock: Clock) -> ExitCode {
    let environment = Environment::from_process();
    let config = match config::load(&options.run, &environment, FILES) {
        Ok(config) => config,
        Err(error) => return fail(error.exit_code(), &error.to_string()),
    };
    // A drain may take hours and says meanwhile how it goes.
    let hold = if matches!(options.action, SpoolAction::Drain { .. }) { Hold::Until(HELD_BACK) } else { Hold::ToTheEnd };
    let log = Log::open(config.log, hold, &environment, false);
    config.notes.iter().for_each(|note| log.warn(format_args!("{note}")));
    warn_of_open_file(&config, &log);
    let finished = match &options.action {
        SpoolAction::List { json } => list::run(&config, &environment, *json, clock.now(), &mut std::io::stdout()),
        SpoolAction::Export { files, destination, all } => {
            let options = ExportOptions { files, destination: destination.as_deref(), all: *all };
            export::run(&config, &environment, options, &log, &mut BufWriter::with_capacity(EXPORT_BUFFER_SIZE, std::io::stdout()))
        }
        SpoolAction::Drain { destination, to_configured, give_up_after } => {
            let options = DrainOptions { destination: destination.as_deref(), to_configured: *to_configured, give_up_after: *give_up_after };
            drain(options, &config, &environment, clock, &log)
        }
    };
    let (code, reason) = finished.map_or_else(|failure| (failure.code, failure.reason), |()| (0, String::new()));
    log.end(&reason);
    ExitCode::from(code)
}

fn drain(options: DrainOptions<'_>, config: &Config, environment: &Environment, clock: Clock, log: &Log) -> Result<(), Failure> {
    let bar = std::io::stderr().is_terminal() && config.log.level == Level::Warn;
    let cannot = |error: std::io::Error| Failure { code: ending::IO, reason: format!("signals cannot be listened to: {error}") };
    let drain = Drain { config, environment, clock, log, signals: Signals::listen().map_err(cannot)?, bar };
    drain::run(&drain, options, &mut std::io::stdout())
}

fn output(config: &Config, environment: Environment, clock: Clock, log: &Log, asking: &Asking, leftovers: Leftovers) -> Result<Output, String> {
    match &config.destination {
        Some(destination) if !config.dry_run => {
            let sender = Sender::new(config, destination.clone(), environment, clock, log.clone()).map_err(|error| error.to_string())?;
            Ok(Output::Kinesis(Box::new(sender.showing(asking.clone()).believing(leftovers))))
        }
        _ => Ok(Output::DryRun(Box::new(std::io::stdout()))),
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Files and directories. A pipe or a device is neither: whoever opened it to look for something might wait for ever.
fn list_directory(path: &Path) -> std::io::Result<Vec<DirectoryEntry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (path, is_directory) = (entry.path(), entry.file_type()?.is_dir());
        // A link to nowhere is kept: reading it says so.
        if is_directory || std::fs::metadata(&path).map_or(true, |target| target.is_file()) {
            entries.push(DirectoryEntry { path, is_directory });
        }
    }
    Ok(entries)
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(ending::IO),
    }
}

fn fail(code: u8, reason: &str) -> ExitCode {
    // A closed stderr changes nothing about the exit code.
    _ = std::io::stderr().write_all(log::failure(reason).as_bytes());
    ExitCode::from(code)
}
