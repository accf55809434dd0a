//! What is asked, as a form.

use std::fs::File;
use std::io::Read;

use form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::Proof;
use crate::aws::credentials::assume_role::Role;

const VERSION: &str = "2011-06-15";
/// Characters of a session's name. Source: STS API reference.
const SESSION_NAME_MAX: usize = 64;
/// Where Linux says what a device is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// Bytes of the form beside the values.
const NAMES_SIZE_MAX: usize = 256;

/// The body of the request. Holds the token.
pub(super) fn write(role: &Role, session_name: &str, proof: &Proof<'_>) -> Zeroizing<String> {
    let token = if let Proof::Token(token, _) = proof { Some(*token) } else { None };
    let values = [Some(role.arn.as_str()), Some(session_name), role.external_id.as_deref(), token];
    // Three bytes for one at most; reserved, so that it does not move and leave a copy.
    let size_max = NAMES_SIZE_MAX + 3 * values.iter().flatten().map(|value| value.len()).sum::<usize>();
    let mut form = Serializer::new(String::with_capacity(size_max));
    form.append_pair("Action", proof.action()).append_pair("Version", VERSION);
    form.append_pair("RoleArn", &role.arn).append_pair("RoleSessionName", session_name);
    if let Some(duration) = role.duration {
        form.append_pair("DurationSeconds", &duration.as_secs().to_string());
    }
    match token {
        Some(token) => form.append_pair("WebIdentityToken", token),
        // The action for a token has no such member.
        None => role.external_id.iter().fold(&mut form, |form, id| form.append_pair("ExternalId", id)),
    };
    Zeroizing::new(form.finish())
}

/// The name of this device's sessions, as CloudTrail shows it.
pub(super) fn session_name() -> String {
    let mut name = Vec::new();
    // A host without a name is no reason not to deliver.
    drop(File::open(HOSTNAME).and_then(|file| file.take(256).read_to_end(&mut name)));
    session_name_of(&String::from_utf8_lossy(&name))
}

fn session_name_of(hostname: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' };
    match hostname.trim() {
        "" | "(none)" => "kinegraf".into(),
        name => "kinegraf-".chars().chain(name.chars().map(allowed)).take(SESSION_NAME_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use aws_credential_types::Credentials;

    use super::*;

    const ARN: &str = "arn:aws:iam::123456789012:role/edge/device";

    fn role() -> Role {
        Role { arn: ARN.into(), session_name: None, external_id: None, duration: None }
    }

    #[test]
    fn the_forms_are_those_of_the_api_reference() {
        let keys = Credentials::new("AKID", "SECRET", None, None, "test");
        assert_eq!(
            *write(&role(), "kinegraf-pi", &Proof::Keys(&keys)),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fedge%2Fdevice&RoleSessionName=kinegraf-pi"
        );
        let full = Role { external_id: Some("fleet:7/a=b+c".into()), duration: Some(Duration::from_secs(900)), ..role() };
        assert_eq!(
            *write(&full, "a+b=c,d.e@f", &Proof::Keys(&keys)),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fedge%2Fdevice&RoleSessionName=a%2Bb%3Dc%2Cd.e%40f\
             &DurationSeconds=900&ExternalId=fleet%3A7%2Fa%3Db%2Bc"
        );
        let body = write(&full, "pi", &Proof::Token("eyJh.e30.a_b-c/+=", Path::new("/token")));
        assert_eq!(
            *body,
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fedge%2Fdevice&RoleSessionName=pi\
             &DurationSeconds=900&WebIdentityToken=eyJh.e30.a_b-c%2F%2B%3D"
        );
    }

    #[test]
    fn the_body_never_outgrows_what_was_reserved_for_it() {
        let role = Role { arn: "\u{1f600}".repeat(512), external_id: Some("/".repeat(1224)), duration: Some(Duration::MAX), ..role() };
        let token = "=".repeat(20_000);
        for proof in [Proof::Token(&token, Path::new("/")), Proof::Keys(&Credentials::new("AKID", "SECRET", None, None, "test"))] {
            let (body, name) = (write(&role, &"@".repeat(64), &proof), 64);
            let values = role.arn.len() + 1224 + name + if matches!(proof, Proof::Token(..)) { token.len() } else { 0 };
            assert!(body.len() <= NAMES_SIZE_MAX + 3 * values && body.capacity() == NAMES_SIZE_MAX + 3 * values);
        }
    }

    #[test]
    fn a_session_is_named_after_the_device() {
        for (hostname, name) in [
            ("pi\n", "kinegraf-pi"),
            ("pump-7.example.com", "kinegraf-pump-7.example.com"),
            ("ger\u{e4}t 1", "kinegraf-ger-t-1"),
            ("", "kinegraf"),
            ("(none)\n", "kinegraf"),
        ] {
            assert_eq!(session_name_of(hostname), name);
        }
        assert_eq!(session_name_of(&"a".repeat(64)).len(), SESSION_NAME_MAX);
        assert!(session_name().starts_with("kinegraf"));
    }
}
