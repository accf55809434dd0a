//! The shared files against the tables of AWS's own SDK, and beyond them: every case of both files in `tests/golden/aws`.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use kinegraf::aws::shared_config::{Base, FileKind, RoleStep, SharedConfig, locate, plan};
use kinegraf::config::environment::Environment;
use kinegraf::limits::ROLES_MAX;
use serde_json::{Map, Value};

/// Cases without comments, as their lines.
fn cases(text: &str) -> Vec<Vec<&str>> {
    let blocks = text.split("\n\n").map(|block| block.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect::<Vec<_>>());
    blocks.filter(|lines| !lines.is_empty()).collect()
}

#[test]
fn every_case_of_the_sdks_table_of_files_gives_the_same_profiles() {
    let cases = cases(include_str!("golden/aws/profile-files.txt"));
    assert_eq!(cases.len(), 65);
    for case in cases {
        let [number, config, credentials, expected] = case[..] else { panic!("{case:?}") };
        let mut shared = SharedConfig::default();
        let add = |kind, text: &str, shared: &mut SharedConfig| match serde_json::from_str::<String>(text) {
            Ok(text) => shared.add(kind, Path::new("f"), &text),
            Err(_) => Ok(()),
        };
        // The order must not matter.
        let result = add(FileKind::Credentials, credentials, &mut shared).and_then(|()| add(FileKind::Config, config, &mut shared));
        match serde_json::from_str(expected).unwrap() {
            Value::Object(profiles) => {
                result.unwrap();
                assert_eq!(found(&shared), profiles, "case {number}");
            }
            error => {
                let (line, words) = (error[0].as_u64().unwrap(), error[1].as_str().unwrap());
                let error = result.unwrap_err();
                assert!(error.line as u64 == line && error.what.contains(words), "case {number}: {error}");
            }
        }
    }
}

fn found(shared: &SharedConfig) -> Map<String, Value> {
    let properties =
        |name: &str| shared.profile(name).unwrap().iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>();
    shared.profiles().map(|name| (name.to_owned(), Value::Object(properties(name)))).collect()
}

#[test]
fn every_case_of_the_table_of_role_chains_gives_its_steps() {
    let cases = cases(include_str!("golden/aws/role-chains.txt"));
    assert_eq!(cases.len(), 24 + 13);
    for case in cases {
        let lines = |mark: &str| case.iter().filter_map(|line| line.strip_prefix(mark)).map(str::trim_start).collect::<Vec<_>>();
        let mut shared = SharedConfig::default();
        shared.add(FileKind::Config, Path::new("f"), &lines("|").join("\n")).unwrap();
        let (name, expected) = (case[0], lines(">"));
        match (expected[0].strip_prefix("error "), plan(&shared, "device")) {
            (Some(words), Err(error)) => assert!(error.to_string().contains(words), "{name}: {error}"),
            (Some(_), Ok(_)) => panic!("{name}: no error"),
            (None, plan) => {
                let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
                let steps: Vec<String> =
                    std::iter::once(base(&plan.base)).chain(plan.roles.iter().map(|step| format!("role {}", role(step)))).collect();
                assert_eq!(steps, expected, "{name}");
            }
        }
    }
}

fn base(base: &Base<'_>) -> String {
    match base {
        Base::Keys { profile, id, .. } => format!("keys {profile} {id}"),
        Base::Environment => "environment".into(),
        Base::Ec2InstanceMetadata => "ec2".into(),
        Base::EcsContainer => "container".into(),
        Base::WebIdentity { role: step, token_file } => {
            format!("token {}", role(step).replacen(&step.profile, &format!("{} {token_file}", step.profile), 1))
        }
        Base::Process { profile, command } => format!("process {profile} {}", command.value()),
    }
}

fn role(step: &RoleStep) -> String {
    let mut text = step.profile.clone();
    assert_eq!(step.arn.to_ascii_lowercase(), format!("arn:aws:iam::1:role/{}", step.profile));
    let duration = step.duration.map(|duration| duration.as_secs().to_string());
    for (name, value) in [("session", &step.session_name), ("external", &step.external_id), ("duration", &duration)] {
        text.extend(value.as_ref().map(|value| format!(" {name}={value}")));
    }
    text
}

#[test]
fn a_chain_of_roles_has_a_bound() {
    let chain = |roles: usize| {
        let step = |i| format!("[profile p{i}]\nrole_arn = arn:aws:iam::1:role/p{i}\nsource_profile = p{}\n", i + 1);
        let text: String = (0..roles).map(step).collect();
        let mut shared = SharedConfig::default();
        shared.add(FileKind::Config, Path::new("f"), &format!("{text}[profile p{roles}]\naws_access_key_id = K\naws_secret_access_key = s")).unwrap();
        plan(&shared, "p0").map(|plan| plan.roles.len()).map_err(|error| error.to_string())
    };
    assert_eq!(chain(ROLES_MAX), Ok(ROLES_MAX));
    assert!(chain(ROLES_MAX + 1).unwrap_err().contains(&format!("more than {ROLES_MAX} roles")));
}

#[test]
fn the_files_are_where_home_and_the_variables_say() {
    let paths = |configured: Option<&str>, variables: &[(&str, &str)]| {
        let files = locate(configured.map(Path::new), &Environment::from_pairs(variables));
        files.map(|file| file.path.map_or_else(str::to_owned, |path| path.display().to_string()))
    };
    let home = ("HOME", "/home/user");
    assert_eq!(paths(None, &[home]), ["/home/user/.aws/credentials", "/home/user/.aws/config"]);
    assert_eq!(paths(None, &[]), ["HOME is not set"; 2]);
    assert_eq!(paths(None, &[home, ("AWS_CONFIG_FILE", "/other/config")]), ["/home/user/.aws/credentials", "/other/config"]);
    assert_eq!(paths(None, &[home, ("AWS_SHARED_CREDENTIALS_FILE", "~/c")]), ["/home/user/c", "/home/user/.aws/config"]);
    let secrets = ("CREDENTIALS_DIRECTORY", "/run/credentials/k");
    assert_eq!(
        paths(Some("$CREDENTIALS_DIRECTORY/c"), &[secrets, ("AWS_SHARED_CREDENTIALS_FILE", "/x")]),
        ["/run/credentials/k/c", "HOME is not set"]
    );
    assert_eq!(paths(None, &[secrets, ("AWS_CONFIG_FILE", "${CREDENTIALS_DIRECTORY}/config")]), ["HOME is not set", "/run/credentials/k/config"]);
}

#[test]
fn debug_shows_no_value() {
    let mut shared = SharedConfig::default();
    shared.add(FileKind::Credentials, Path::new("f"), "[hunter2]\naws_secret_access_key = hunter2").unwrap();
    assert!(!format!("{shared:?}").contains("hunter2"));
}
