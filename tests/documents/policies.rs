//! The policies in the pages for devices are JSON of IAM's kind and give the least that is needed; what the commands and the configuration name is the same thing.

use serde_json::Value;

use super::{GREENGRASS, PI, snippets};

/// The one statement of each policy of a page.
fn statements(page: &str) -> Vec<Value> {
    let of_policy = |(line, text): (usize, String)| {
        let policy: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("line {line}: {error}"));
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!((policy["Version"].as_str(), statements.len(), statements[0]["Effect"].as_str()), (Some("2012-10-17"), 1, Some("Allow")));
        statements[0].clone()
    };
    snippets(page, "json").into_iter().map(of_policy).collect()
}

#[test]
fn a_device_may_put_records_into_one_stream_and_nothing_else() {
    let [trust, of_role, of_certificate] = &statements(PI)[..] else { panic!("not three policies") };
    assert_eq!((trust["Action"].as_str(), trust["Principal"]["Service"].as_str()), (Some("sts:AssumeRole"), Some("credentials.iot.amazonaws.com")));
    for of_role in [of_role, &statements(GREENGRASS)[0]] {
        assert_eq!(of_role["Action"].as_str(), Some("kinesis:PutRecords"));
        assert_eq!(of_role["Resource"].as_str(), Some("arn:aws:kinesis:eu-central-1:123456789012:stream/telemetry"));
    }
    assert_eq!(of_certificate["Action"].as_str(), Some("iot:AssumeRoleWithCertificate"));
    assert_eq!(of_certificate["Resource"].as_str(), Some("arn:aws:iot:eu-central-1:123456789012:rolealias/kinegraf-alias"));
}

#[test]
fn the_commands_and_the_configuration_name_the_same_alias_stream_and_files() {
    let commands: String = snippets(PI, "sh").into_iter().map(|(_, text)| text).collect();
    let (_, config) = snippets(PI, "toml").into_iter().next().unwrap();
    for name in ["kinegraf-alias", "telemetry", "/etc/kinegraf/device.key", "/etc/kinegraf/device.pem"] {
        assert!(commands.contains(name) && config.contains(name), "{name}");
    }
    for file in ["trust.json", "put-records.json", "device.json"] {
        assert!(commands.contains(&format!("file://{file}")) && PI.contains(&format!("`{file}`")), "{file}");
    }
}

#[test]
fn each_message_that_the_page_explains_is_one_that_the_program_or_the_service_says() {
    let (_, table) = PI.split_once("| it says | then | shown by |").unwrap();
    let says = super::read("src/aws/credentials/iot/explain.rs")
        + &super::read("src/aws/credentials/iot/device.rs")
        + &super::read("src/aws/credentials/iot/pace.rs")
        + &super::read("src/aws/http/client_certificate.rs")
        + &super::read("src/aws/http/error.rs")
        + &super::read("src/aws/http/tls.rs")
        // The service's own words, as the tests have them.
        + &super::read("tests/aws_iot/answers.rs")
        + &super::read("src/kinesis/classify.rs");
    let mut count = 0;
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        for message in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            assert!(says.contains(message), "{message}");
            count += 1;
        }
    }
    assert!(count > 12, "{count}");
}
