//! Who the device is: certificate and key out of their files, and the name of its thing.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::aws::credentials::{Context, CredentialsError, secret_file};
use crate::aws::http::{ClientCertificate, ClientCertificateError};
use crate::aws::message;
use crate::config::IotConfig;
use crate::config::environment::find_path;

/// Bytes of a file that is read here; a key of 4096 bits in PEM has 3.3 KB.
const FILE_SIZE_MAX: usize = 64 << 10;
/// Bytes of a name in an error.
const NAME_SHOWN_MAX: usize = 80;
const CERTIFICATE: &str = "credentials.iot.certificate";
const PRIVATE_KEY: &str = "credentials.iot.private_key";
/// Where a board says its serial number, by the device tree.
const DEVICE_TREE: &str = "/proc/device-tree/serial-number";
/// The same in a line `Serial`, from before there was a device tree.
const CPU_INFO: &str = "/proc/cpuinfo";

/// What the device shows to the provider.
pub(super) struct Device {
    pub(super) certificate: ClientCertificate,
    pub(super) ca: Option<PathBuf>,
    /// With its placeholders filled in.
    pub(super) thing_name: Option<String>,
}

impl Device {
    /// Reads the files that `config` names, and warns once of a key that others may read.
    pub(super) fn read(context: &mut Context<'_>, config: &IotConfig) -> Result<Device, CredentialsError> {
        let path = |path: &Path, key: &str| find_path(path, context.environment).map_err(|why| wrong(path, key, why));
        let (certificate, key) = (path(&config.certificate, CERTIFICATE)?, path(&config.private_key, PRIVATE_KEY)?);
        let ca = config.ca.as_deref().map(|ca| path(ca, "credentials.iot.ca")).transpose()?;
        let (certificate_pem, _) = read(&certificate, CERTIFICATE)?;
        let (key_pem, mode) = read(&key, PRIVATE_KEY)?;
        if mode & 0o006 != 0 && !std::mem::replace(&mut context.iot.warned_of_key, true) {
            let (path, mode) = (key.display(), mode & 0o777);
            context.log.warn(format_args!("{path} ({PRIVATE_KEY}) may be read or written by everybody (mode {mode:04o}): chmod 0400 {path}"));
        }
        let pair = ClientCertificate::from_pem(&certificate_pem, &key_pem);
        let certificate = pair.map_err(|error| match error {
            ClientCertificateError::Certificate(what) => wrong(&certificate, CERTIFICATE, what),
            ClientCertificateError::Key(what) => wrong(&key, PRIVATE_KEY, what),
            ClientCertificateError::Mismatch(what) => {
                wrong(&key, PRIVATE_KEY, format!("not the key of the certificate in {}: {what}", certificate.display()))
            }
        })?;
        let thing_name = config.thing_name.as_deref().map(|name| fill(name, &certificate, &serial)).transpose()?;
        Ok(Device { certificate, ca, thing_name })
    }
}

fn wrong(path: &Path, key: &str, what: impl std::fmt::Display) -> CredentialsError {
    CredentialsError::broken(format!("{} ({key}): {what}", path.display()))
}

/// A file's text and mode.
fn read(path: &Path, key: &str) -> Result<(Zeroizing<Vec<u8>>, u32), CredentialsError> {
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => wrong(path, key, "there is no such file"),
        ErrorKind::PermissionDenied => wrong(path, key, "the user that runs kinegraf may not read it (chown it to that user, mode 0400)"),
        _ => wrong(path, key, format_args!("cannot be read: {error}")),
    };
    let (text, metadata) = secret_file::read(path, FILE_SIZE_MAX).map_err(unreadable)?;
    match text.len() > FILE_SIZE_MAX {
        true => Err(wrong(path, key, format_args!("has more than {FILE_SIZE_MAX} bytes"))),
        false => Ok((text, metadata.permissions().mode())),
    }
}

/// Fills in the board's serial number and the certificate's common name.
fn fill(template: &str, certificate: &ClientCertificate, serial: &dyn Fn() -> Result<String, CredentialsError>) -> Result<String, CredentialsError> {
    let mut name = template.to_owned();
    if name.contains("{serial}") {
        name = name.replace("{serial}", &serial()?);
    }
    if name.contains("{cn}") {
        let common_name = certificate.common_name().filter(|name| !name.is_empty());
        let missing = || CredentialsError::broken("credentials.iot.thing_name: {cn} is asked for, but the certificate's subject has no common name");
        name = name.replace("{cn}", common_name.ok_or_else(missing)?);
    }
    // Source: AWS IoT API reference, `CreateThing`.
    match (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte)) {
        true => Ok(name),
        false => {
            let shown = message::fit(&name, NAME_SHOWN_MAX);
            let hint =
                if name.contains("AWS IoT Certificate") { "; each certificate whose key AWS IoT made has that name, use {serial}" } else { "" };
            let what = "which no thing can have: 1 to 128 of a-z, A-Z, 0-9, ':', '_', '-'";
            Err(CredentialsError::broken(format!("credentials.iot.thing_name: '{template}' gives '{shown}', {what}{hint}")))
        }
    }
}

fn serial() -> Result<String, CredentialsError> {
    let read = |path: &str| {
        let mut bytes = Vec::new();
        let size = File::open(path).and_then(|file| file.take(FILE_SIZE_MAX as u64).read_to_end(&mut bytes));
        size.ok().map(|_| String::from_utf8_lossy(&bytes).into_owned())
    };
    find_serial(read(DEVICE_TREE).as_deref(), read(CPU_INFO).as_deref()).map_err(|why| {
        CredentialsError::broken(format!("credentials.iot.thing_name: {{serial}} is asked for, but {why}; write the name itself, or use {{cn}}"))
    })
}

/// The serial number in what the two files say: the device tree's text ends with NUL.
fn find_serial(device_tree: Option<&str>, cpu_info: Option<&str>) -> Result<String, String> {
    let trimmed = |text: &str| text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned();
    let in_tree = device_tree.map(trimmed).filter(|serial| !serial.is_empty());
    let of_line = |line: &str| line.split_once(':').filter(|(name, _)| name.trim() == "Serial").map(|(_, value)| trimmed(value));
    let serial = in_tree.or_else(|| cpu_info?.lines().find_map(of_line)).filter(|serial| !serial.is_empty());
    match serial {
        None => Err(format!("this board tells none ({DEVICE_TREE}, or Serial in {CPU_INFO})")),
        Some(serial) if serial.bytes().all(|byte| byte == b'0') => Err("this board's is all zeros, as those of others like it".into()),
        Some(serial) => Ok(serial),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    #[test]
    fn the_serial_is_that_of_the_device_tree_else_of_cpuinfo() {
        let cpu_info = "processor\t: 0\nSerial\t\t: 00000000a1b2c3d4\nModel\t\t: Raspberry Pi 3\n";
        assert_eq!(find_serial(Some("10000000abcdef01\0"), Some(cpu_info)).unwrap(), "10000000abcdef01");
        for tree in [None, Some(""), Some("\0")] {
            assert_eq!(find_serial(tree, Some(cpu_info)).unwrap(), "00000000a1b2c3d4");
        }
        for (tree, cpu_info, words) in [
            (None, None, "tells none"),
            (None, Some("processor : 0\nSerial :\n"), "tells none"),
            (Some("0000000000000000\0"), Some(cpu_info), "all zeros"),
            (None, Some("Serial : 0000"), "all zeros"),
        ] {
            assert!(find_serial(tree, cpu_info).unwrap_err().contains(words), "{words}");
        }
    }

    fn named(common_name: Option<&str>) -> ClientCertificate {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        common_name.iter().for_each(|name| params.distinguished_name.push(DnType::CommonName, *name));
        let key = KeyPair::generate().unwrap();
        ClientCertificate::from_pem(params.self_signed(&key).unwrap().pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn a_thing_is_called_by_board_and_certificate() {
        let serial = || Ok("10000000abcdef01".to_owned());
        let (sensor, nameless) = (named(Some("sensor:7")), named(None));
        for (template, certificate, name) in [
            ("pi-{serial}", &nameless, "pi-10000000abcdef01"),
            ("{cn}", &sensor, "sensor:7"),
            ("{cn}_{serial}", &sensor, "sensor:7_10000000abcdef01"),
            ("plain", &nameless, "plain"),
        ] {
            assert_eq!(fill(template, certificate, &serial).unwrap(), name);
        }
        for (template, certificate, words) in [
            ("{cn}", &nameless, "no common name"),
            ("{cn}", &named(Some("AWS IoT Certificate")), "whose key AWS IoT made"),
            ("{cn}", &named(Some("a b")), "'{cn}' gives 'a b'"),
            ("{cn}", &named(Some(&"x".repeat(129))), "1 to 128"),
        ] {
            let error = fill(template, certificate, &serial).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("credentials.iot.thing_name"), "{error}");
        }
    }
}
