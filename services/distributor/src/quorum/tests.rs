use runtime::ErrorKind;
use signal::Refusal;

use super::{Answer, Fate, Tally};

fn refusal() -> Refusal {
    Refusal { item: 0, kind: ErrorKind::BadInput, reason: "r".to_owned(), text: "t".to_owned(), rows: 1 }
}

fn check(asked: usize, answers: &[Answer], expect: Option<Fate>) {
    let mut tally = Tally::new(2, [asked]);
    for answer in answers {
        tally.take(0, answer.clone());
    }
    assert_eq!(tally.is_decided(), expect.is_some(), "{answers:?}");
    if let Some(fate) = expect {
        assert_eq!(tally.close(), [fate], "{answers:?}");
    }
}

#[test]
fn two_of_three_decide() {
    use Answer::{Failed, Refused, Stored};
    check(3, &[Stored], None);
    check(3, &[Stored, Stored], Some(Fate::Stored));
    check(3, &[Stored, Failed], None);
    check(3, &[Stored, Failed, Stored], Some(Fate::Stored));
    check(3, &[Failed, Failed], Some(Fate::Lost));
    check(3, &[Refused(refusal()), Refused(refusal())], Some(Fate::Refused(refusal())));
}

#[test]
fn a_refusal_counts_only_with_a_majority() {
    use Answer::{Failed, Refused, Stored};
    check(3, &[Refused(refusal()), Failed], None);
    check(3, &[Refused(refusal()), Failed, Refused(refusal())], Some(Fate::Refused(refusal())));
    check(3, &[Refused(refusal()), Failed, Failed], Some(Fate::Lost));
    check(3, &[Refused(refusal()), Failed, Stored], Some(Fate::Lost));
}

#[test]
fn replicas_that_were_not_asked_have_failed() {
    use Answer::{Failed, Stored};
    check(1, &[], Some(Fate::Lost));
    check(0, &[], Some(Fate::Lost));
    check(2, &[Stored], None);
    check(2, &[Stored, Failed], Some(Fate::Lost));
}

#[test]
fn late_answers_change_nothing() {
    let mut tally = Tally::new(2, [3]);
    for answer in [Answer::Stored, Answer::Stored, Answer::Failed, Answer::Failed] {
        tally.take(0, answer);
    }
    tally.take(7, Answer::Stored);
    assert_eq!(tally.close(), [Fate::Stored]);
}

#[test]
fn what_is_open_when_the_time_is_over_is_lost() {
    let mut tally = Tally::new(2, [3, 3]);
    tally.take(0, Answer::Stored);
    tally.take(0, Answer::Stored);
    tally.take(1, Answer::Stored);
    assert!(!tally.has_lost());
    assert_eq!(tally.close(), [Fate::Stored, Fate::Lost]);
}
