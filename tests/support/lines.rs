//! Lines to feed the program: what a Telegraf on a small host writes, unique by their timestamps and the same for the same seed; and nasty ones.
//! Lines are without their newline.

use std::io::Write as _;

use super::mix;

/// The first timestamp, in nanoseconds; a line's index in microseconds is added.
const FIRST_NS: u64 = 1_795_305_600_000_000_000;

/// An endless source of unique lines.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    index: u64,
    hosts: u64,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator { seed, index: 0, hosts: 20 }
    }

    /// With so many different `host` tags.
    pub fn hosts(mut self, hosts: u64) -> Generator {
        self.hosts = hosts.max(1);
        self
    }

    /// Appends the next line, without its newline.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        let random = mix(self.seed ^ mix(self.index));
        let (a, b, c) = (random % 10_000, (random >> 16) % 1_000_000_007, (random >> 40) % 100);
        let host = (random >> 8) % self.hosts;
        let _ = match self.index % 8 {
            0 => write!(
                out,
                "cpu,cpu=cpu{},host=edge-{host:02} usage_idle={}.{:04},usage_system={c}.5,usage_user={}.25,usage_iowait=0",
                random % 4,
                c,
                a,
                a % 100
            ),
            1 => write!(out, "mem,host=edge-{host:02} total=1024000000i,used={b}i,available_percent={c}.{a:04},swap_free={}i", b / 3),
            2 => write!(out, "disk,device=mmcblk0p2,fstype=ext4,host=edge-{host:02},mode=rw,path=/ free={b}i,inodes_free={a}i,used_percent={c}.125"),
            3 => write!(out, "net,host=edge-{host:02},interface=wwan0 bytes_recv={b}u,bytes_sent={a}u,err_in=0u,drop_out=0u"),
            4 => write!(
                out,
                "system,host=edge-{host:02} load1={c}.{:02},n_cpus=4i,uptime={b}i,uptime_format=\"{c} days, {:02}:{:02}\"",
                a % 100,
                a % 24,
                a % 60
            ),
            5 => write!(
                out,
                "modbus,host=edge-{host:02},name=Pump\\ {c},slave_id=1,type=holding\\ register flow={}.{a:04}e-3,running={}",
                c,
                c % 2 == 0
            ),
            6 => write!(out, "temp,host=edge-{host:02},sensor=coretemp\\,package temp={c}.{a:04}"),
            _ => write!(
                out,
                "syslog,appname=sshd,host=edge-{host:02},severity=info message=\"session {b} opened for user \\\"admin\\\" = ok\",facility_code=10i,pid={a}i"
            ),
        };
        let _ = write!(out, " {}", FIRST_NS + self.index * 1000);
        self.index += 1;
    }
}

impl Iterator for Generator {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::with_capacity(192);
        self.write(&mut line);
        Some(line)
    }
}

/// `count` unique lines.
pub fn telegraf(seed: u64, count: usize) -> Vec<Vec<u8>> {
    Generator::new(seed).take(count).collect()
}

/// A unique line of exactly `size` bytes (at least 64).
pub fn of_size(index: u64, size: usize) -> Vec<u8> {
    let (head, tail) = ("filler,host=edge-00 text=\"", format!("\" {}", FIRST_NS + index));
    let fill = size.checked_sub(head.len() + tail.len()).expect("a filler line has at least 64 bytes");
    let text: Vec<u8> = (0..fill).map(|i| b'a' + u8::try_from(mix(index ^ (i as u64 / 8)) >> (i % 8) & 15).unwrap()).collect();
    [head.as_bytes(), &text, tail.as_bytes()].concat()
}

/// The lines as a sender writes them: each with its newline.
pub fn joined<L: AsRef<[u8]>>(lines: &[L]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_ref(), b"\n"]).flatten().copied().collect()
}

/// Valid lines at the edges of the syntax, each unique and each with a timestamp.
pub fn nasty_good() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = [
        "m f=1i 1",
        "quoted,host=a text=\"two\nlines\" 2",
        "quoted,host=a text=\"three\n\nlines and a \\\" quote\n\",other=\"x,y z=1\" 3",
        "quoted,host=a text=\"# no comment\n# here\" 4",
        "escaped\\ measurement,tag\\ key=tag\\ value,comma=a\\,b,equals=a\\=b field\\ key=1 5",
        "escaped\\,measurement,host=a f=\"back\\\\slash\" 6",
        "types,host=a float=1.5,negative=-2.25e-10,integer=-9223372036854775808i,unsigned=18446744073709551615u,yes=t,no=FALSE,text=\"\" 7",
        "unicode,host=Zürich,город=Москва text=\"✓ 温度\" 8",
        "wide,host=😀 f=1 9",
        "negative,host=a f=1 -10",
        "backslash,path=C:\\Windows\\Temp f=1 11",
        "tabs,host=a text=\"a\tb\" 12",
        "single'quote,host='a' f=1 13",
        "json,host=a text=\"{\\\"a\\\": [1, 2]}\" 14",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec();
    lines.push([b"long,host=a text=\"".as_slice(), &b"0123456789abcdef".repeat(71_000 / 16), b"\" 15"].concat());
    lines.push([b"fields,host=a ".as_slice(), (0..500).map(|i| format!("f{i}={i}i")).collect::<Vec<_>>().join(",").as_bytes(), b" 16"].concat());
    lines
}

/// Lines that no reader of line protocol should take.
pub fn nasty_bad() -> Vec<Vec<u8>> {
    [
        "nofields",
        "nofields,host=a",
        "novalue,host=a f=",
        "notag,host= f=1 1",
        "badnumber,host=a f=1x 1",
        "badtime,host=a f=1 12:30",
        ",host=a f=1 1",
        "twice f=1 1 2",
        "word f=maybe 1",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

/// Cuts a record's data into lines: at newlines outside quoted field values. Empty lines are dropped.
pub fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let (mut start, mut i) = (0, 0);
    let (mut in_fields, mut in_string) = (false, false);
    while i < data.len() {
        match data[i] {
            b'\\' => i += 1,
            b'"' if in_string => in_string = false,
            b'"' if in_fields && data[..i].ends_with(b"=") => in_string = true,
            b' ' if !in_string => in_fields = true,
            b'\n' if !in_string => {
                lines.push(&data[start..i]);
                (start, in_fields) = (i + 1, false);
            }
            _ => {}
        }
        i += 1;
    }
    lines.push(&data[start.min(data.len())..]);
    lines.retain(|line| !line.is_empty());
    lines
}
