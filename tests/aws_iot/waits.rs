//! A busy service is left alone, for a growing time; time is an argument here, so nothing is waited for.

use std::time::Duration;

use kinegraf::config::IotConfig;
use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Now;

use super::chain::{Logged, NOW, chain, chain_with, config, device, hour, later};
use super::service::{Authority, Service, answer, refusal};

#[test]
fn after_five_busy_answers_with_growing_waits_the_sixth_gives_credentials() {
    let authority = Authority::new("root");
    let mut answers = 0;
    let service = Service::start(&authority, move |request| {
        answers += 1;
        match answers {
            1 => refusal(429, "ThrottlingException", "Rate exceeded"),
            // Some services of AWS say it so.
            2 => refusal(400, "ThrottlingException", "Rate exceeded"),
            3 => answer(503, "Content-Type: text/html\r\n", "<html>busy</html>"),
            4 => answer(500, "Retry-After: 120\r\n", ""),
            5 => refusal(504, "ServiceUnavailableException", "later"),
            _ => hour(request),
        }
    });
    let files = device(&authority);
    let mut chain = chain(config(service.url(), &files));
    let (mut now, mut waits) = (NOW, Vec::new());
    for asked in 1..=5 {
        let failure = chain.credentials(now).unwrap_err().to_failure();
        assert_eq!((failure.class, service.requests().len()), (Class::CredentialsUnavailable, asked), "{failure:?}");
        let wait = failure.retry_after.unwrap();
        assert!(failure.message.contains("it is asked again in "), "{}", failure.message);
        // The pipeline asks more often than that; so does a refresh that was forced.
        let middle = Now { mono: now.mono + wait / 2, ..now };
        let again = [chain.credentials(middle).unwrap_err().to_failure(), chain.refresh(middle).unwrap_err().to_failure()];
        assert!(again.iter().all(|again| again.code == failure.code && again.retry_after.is_some_and(|left| left <= wait)));
        assert_eq!(service.requests().len(), asked);
        // A refresh that was forced in vain counts for the chain's own wait.
        now.mono = middle.mono + chain.credentials(middle).unwrap_err().to_failure().retry_after.unwrap();
        waits.push(wait);
    }
    assert_eq!(chain.credentials(now).unwrap().access_key_id(), "ASIADEVICE");
    // The call itself takes a moment too.
    assert!(service.requests().len() == 6 && (120..122).contains(&waits[3].as_secs()), "{waits:?}");
}

#[test]
fn a_refusal_is_not_waited_for_and_credentials_stay_while_the_service_is_busy() {
    let authority = Authority::new("root");
    let mut answers = 0;
    let service = Service::start(&authority, move |request| {
        answers += 1;
        match answers {
            1 => refusal(403, "AccessDeniedException", "Access Denied"),
            2 => hour(request),
            _ => refusal(429, "ThrottlingException", "Rate exceeded"),
        }
    });
    let files = device(&authority);
    let mut chain = chain(config(service.url(), &files));
    assert_eq!(chain.credentials(NOW).unwrap_err().to_failure().class, Class::Denied);
    chain.credentials(later(1.5)).unwrap();
    let busy = chain.refresh(later(60.0)).unwrap_err().to_failure();
    assert!(busy.retry_after.unwrap() <= Duration::from_secs(2), "{busy:?}");
    assert_eq!(chain.credentials(later(60.0)).unwrap().access_key_id(), "ASIADEVICE");
}

#[test]
fn the_first_call_of_a_process_waits_its_part_of_start_jitter_and_no_later_one_does() {
    let authority = Authority::new("root");
    let service = Service::start(&authority, hour);
    let files = device(&authority);
    let iot = IotConfig { start_jitter: Duration::from_secs(300), ..config(service.url(), &files) };
    let mut chain = chain_with(iot, &[], &Logged::default());
    let failure = chain.credentials(NOW).unwrap_err().to_failure();
    let wait = failure.retry_after.unwrap();
    assert_eq!((failure.class, service.requests().len()), (Class::CredentialsUnavailable, 0));
    assert!(failure.message.contains("(credentials.iot.start_jitter)") && wait <= Duration::from_secs(300), "{}", failure.message);
    let mut now = NOW;
    now.mono += wait;
    chain.credentials(now).unwrap();
    chain.refresh(now).unwrap();
    assert_eq!(service.requests().len(), 2);
    // A file that is missing is told before any wait.
    let iot = IotConfig { start_jitter: Duration::from_secs(300), certificate: "/nowhere".into(), ..config(service.url(), &files) };
    assert_eq!(super::chain::error_of(iot).to_failure().class, Class::NoCredentials);
}
