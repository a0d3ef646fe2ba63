//! A listing that breaks on the way is asked for again or is an error; it is never short.

use storage_core::ListOptions;

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same};
use crate::failure::Failure;
use crate::fault::Call;
use crate::proxy::{Answer, Close, Fault};

pub(crate) const CASES: &[Case] = &[
    Case::new("list", "LIST-3", "lost-page-is-asked-for-again", |c| Box::pin(lost(c))),
    Case::new("list", "LIST-3", "broken-page-is-never-short", |c| Box::pin(broken(c))),
    Case::new("list", "LIST-3", "refused-page-is-no-empty-listing", |c| Box::pin(refused(c))),
    Case::new("list", "LIST-3", "refused-later-page-is-no-end", |c| Box::pin(later(c))),
];

const NAMES: [&str; 6] = ["a", "b", "c", "d/1", "d/2", "e"];

async fn filled(c: Context) -> Result<Rig, Failure> {
    let rig = Rig::http(c)?;
    rig.calm.fill(&NAMES).await?;
    Ok(rig)
}

async fn names(rig: &Rig) -> Result<Vec<String>, storage_core::Error> {
    let mut names = rig.faulty.names("", ListOptions::new()).await?;
    names.sort();
    Ok(names)
}

async fn lost(c: Context) -> Result<(), Failure> {
    let rig = filled(c).await?;
    let cut = Fault::CutBody { after: 50, close: Close::Reset };
    for fault in
        [Fault::ResetBefore, Fault::LoseResponse(Close::Reset), Fault::LoseResponse(Close::Clean), cut]
    {
        rig.set([rig.rule(Call::Page, 0..1, fault)]);
        let names = names(&rig).await?;
        rig.all_met()?;
        same("names", names, NAMES)?;
    }
    Ok(())
}

/// Every answer ends within the page, once with the right length and once with one that fits.
async fn broken(c: Context) -> Result<(), Failure> {
    let rig = filled(c).await?;
    for after in [0, 1, 30, 100] {
        let faults = [
            Fault::CutBody { after, close: Close::Clean },
            Fault::CutBody { after, close: Close::Reset },
            Fault::TruncateBody { keep: after },
        ];
        for fault in faults {
            rig.set([rig.rule(Call::Page, .., fault.clone())]);
            let listed = names(&rig).await;
            if rig.proxy.unmet().is_empty() {
                let otherwise = format!("expected an error of a page with {fault:?}, got {listed:?}");
                holds(listed.is_err(), otherwise)?;
            }
        }
    }
    Ok(())
}

async fn refused(c: Context) -> Result<(), Failure> {
    let rig = filled(c).await?;
    let answers = [rig.dialect().throttled.clone(), rig.dialect().expired.clone(), Answer::new(500)];
    for answer in answers {
        rig.set([rig.rule(Call::Page, .., Fault::Answer(answer.clone()))]);
        let listed = names(&rig).await;
        rig.all_met()?;
        holds(listed.is_err(), format_args!("expected an error after {answer:?}, got {listed:?}"))?;
    }
    Ok(())
}

async fn later(c: Context) -> Result<(), Failure> {
    let rig = filled(c).await?;
    names(&rig).await?;
    if rig.requests(Call::Page).len() < 2 {
        return Err(Failure::ignored("its first page holds all that a test can afford"));
    }
    let refused = Fault::Answer(rig.dialect().throttled.clone());
    for fault in [refused.clone(), Fault::ResetBefore, Fault::LoseResponse(Close::Clean)] {
        rig.set([rig.rule(Call::Page, 1..2, fault)]);
        let names = names(&rig).await?;
        rig.all_met()?;
        same("names", names, NAMES)?;
    }
    rig.set([rig.rule(Call::Page, 1.., refused)]);
    let listed = names(&rig).await;
    rig.all_met()?;
    holds(listed.is_err(), format_args!("expected an error after a refused second page, got {listed:?}"))
}
