//! Mistakes in files and names, found before anything is sent: each names the file, the key of the configuration, and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kinegraf::config::IotConfig;
use kinegraf::kinesis::outcome::Class;

use super::chain::{Logged, NOW, chain, chain_with, config, device, error_of, hour};
use super::service::{Authority, Files, P256, Service};

const NOWHERE: &str = "https://localhost:1/";

/// A mistake that only a person can mend, told with these words.
fn assert_mistake(iot: IotConfig, words: &[&str]) {
    let error = error_of(iot);
    assert_eq!(error.to_failure().class, Class::NoCredentials, "{error}");
    assert!(words.iter().all(|word| error.to_string().contains(word)), "{words:?}: {error}");
}

#[test]
fn a_key_that_cannot_be_used_is_told_with_what_it_is() {
    let authority = Authority::new("root");
    let certificate = authority.device(P256, "x", (2020, 2090));
    for (key, words) in [
        (include_str!("keys/p256.encrypted.pem"), "openssl pkey -in"),
        (include_str!("keys/rsa.encrypted.pem"), "openssl pkey -in"),
        (include_str!("keys/rsa1024.pem"), "RSA of 2048 to 4096 bits"),
        (include_str!("keys/rsa.pkcs8.pem"), "not the key of the certificate in"),
        (certificate.as_str(), "no private key (-----BEGIN PRIVATE KEY-----) in it, but CERTIFICATE"),
        ("", "but nothing"),
        ("hunter2", "but no PEM at all"),
        ("\x30\x01hunter2", "but DER"),
        (&P256[..100], "cut short"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n", "not base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a key that can be used"),
    ] {
        let files = Files::new(&certificate, key, &authority.pem());
        assert_mistake(config(NOWHERE.into(), &files), &["device.key (credentials.iot.private_key)", words]);
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_what_it_is() {
    let authority = Authority::new("root");
    let good = authority.device(P256, "x", (2020, 2090));
    for (certificate, words) in [
        (P256, "no certificate (-----BEGIN CERTIFICATE-----) in it, but PRIVATE KEY"),
        (&good[..200], "cut short"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is not an X.509 one"),
        (&"x".repeat(70_000), "more than 65536 bytes"),
    ] {
        let files = Files::new(certificate, P256, &authority.pem());
        assert_mistake(config(NOWHERE.into(), &files), &["device.pem (credentials.iot.certificate)", words]);
    }
}

#[test]
fn a_file_that_is_not_there_or_not_a_file_is_named() {
    let files = device(&Authority::new("root"));
    let good = || config(NOWHERE.into(), &files);
    let missing = || PathBuf::from("/nowhere/device.pem");
    assert_mistake(IotConfig { certificate: missing(), ..good() }, &["/nowhere/device.pem (credentials.iot.certificate): there is no such file"]);
    assert_mistake(IotConfig { private_key: missing(), ..good() }, &["(credentials.iot.private_key): there is no such file"]);
    assert_mistake(IotConfig { ca: Some(missing()), ..good() }, &["/nowhere/device.pem (credentials.iot.ca): cannot read this CA file"]);
    assert_mistake(IotConfig { certificate: files.dir.path().to_owned(), ..good() }, &["not a regular file"]);
    let of_systemd = PathBuf::from("$CREDENTIALS_DIRECTORY/device.pem");
    assert_mistake(IotConfig { certificate: of_systemd, ..good() }, &["CREDENTIALS_DIRECTORY is not set"]);
}

#[test]
fn a_key_that_everybody_may_read_is_used_and_warned_of_once() {
    let authority = Authority::new("root");
    let (service, files) = (Service::start(&authority, hour), device(&authority));
    std::fs::set_permissions(&files.private_key, PermissionsExt::from_mode(0o644)).unwrap();
    let logged = Logged::default();
    let mut chain = chain_with(config(service.url(), &files), &[], &logged);
    chain.credentials(NOW).unwrap();
    chain.refresh(NOW).unwrap();
    let text = logged.text();
    assert!(text.contains("(mode 0644)") && text.contains("chmod 0400") && text.matches("warning").count() == 1, "{text}");
    std::fs::set_permissions(&files.private_key, PermissionsExt::from_mode(0o440)).unwrap();
    let logged = Logged::default();
    chain_with(config(service.url(), &files), &[], &logged).credentials(NOW).unwrap();
    assert!(!logged.text().contains("warning") && !logged.text().contains("hunter2"), "{}", logged.text());
}

#[test]
fn files_are_found_at_home_and_where_systemd_puts_them_and_a_renewed_one_needs_no_restart() {
    let authority = Authority::new("root");
    let (service, files) = (Service::start(&authority, hour), device(&authority));
    let iot = IotConfig {
        certificate: "~/device.pem".into(),
        private_key: "$CREDENTIALS_DIRECTORY/device.key".into(),
        ca: Some("~/AmazonRootCA1.pem".into()),
        ..config(service.url(), &files)
    };
    let directory = files.dir.path().to_str().unwrap();
    let mut chain = chain_with(iot, &[("HOME", directory), ("CREDENTIALS_DIRECTORY", directory)], &Logged::default());
    chain.credentials(NOW).unwrap();
    std::fs::write(&files.certificate, authority.device(include_str!("keys/rsa.pkcs8.pem"), "renewed", (2020, 2090))).unwrap();
    assert!(chain.refresh(NOW).unwrap_err().to_string().contains("not the key of the certificate"));
    std::fs::write(&files.private_key, include_str!("keys/rsa.pkcs1.pem")).unwrap();
    chain.refresh(NOW).unwrap();
    assert_eq!(service.requests().len(), 2);
}

#[test]
fn the_things_name_is_sent_with_the_certificates_name_filled_in() {
    let authority = Authority::new("root");
    let (service, files) = (Service::start(&authority, hour), device(&authority));
    for (name, sent) in [(None, None), (Some("pump:4"), Some("pump:4")), (Some("{cn}"), Some("sensor-17")), (Some("eu-{cn}"), Some("eu-sensor-17"))] {
        let iot = IotConfig { thing_name: name.map(str::to_owned), ..config(service.url(), &files) };
        chain(iot).credentials(NOW).unwrap();
        assert_eq!(service.requests().last().unwrap().header("x-amzn-iot-thingname"), sent);
    }
    let made_by_aws = Files::new(&authority.device(P256, "AWS IoT Certificate", (2020, 2090)), P256, &authority.pem());
    let iot = IotConfig { thing_name: Some("{cn}".into()), ..config(service.url(), &made_by_aws) };
    assert_mistake(iot, &["credentials.iot.thing_name", "'AWS IoT Certificate'", "use {serial}"]);
}
