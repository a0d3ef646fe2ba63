//! Parts take their place by number, whatever happens to them on the way.

use storage_core::WriteOptions;

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same, same_bytes};
use crate::failure::Failure;
use crate::fault::{Call, Fault, Plan, Refusal, Rule};

pub(crate) const CASES: &[Case] = &[
    Case::new("part", "WRITE-5", "refused-part-is-sent-again", |c| Box::pin(refused(c))),
    Case::new("part", "WRITE-5", "part-with-a-lost-answer-is-sent-again", |c| Box::pin(lost(c))),
    Case::new("part", "WRITE-5", "first-part-completes-last", |c| Box::pin(first_last(c))).needs(parallel),
    Case::new("part", "WRITE-5", "every-part-fails-once", |c| Box::pin(each_once(c))),
    Case::new("part", "WRITE-5", "upload-begun-twice", |c| Box::pin(begun_twice(c))),
];

fn parallel(can: &storage_core::Capabilities) -> Option<String> {
    (!can.limits.parallel_parts).then(|| "its parts travel one after the other".into())
}

fn of_part(number: u64, fault: Fault) -> Rule {
    Rule::new(Call::Part, fault).only(move |seen| seen.part == Some(number))
}

/// A write in parts through `plan` succeeds; the parts are without a gap, and each is the same bytes at every try.
async fn check(c: Context, plan: Plan) -> Result<Rig, Failure> {
    let rig = Rig::new(c, plan);
    rig.calm.put("a", "old").await?;
    let content = rig.parts_content(1);
    let written = rig.put_parts("a", &content, WriteOptions::new()).await?;
    rig.all_met()?;
    same("size", written.size, content.len() as u64)?;
    same_bytes("content", &rig.calm.get("a").await?, &content)?;
    let mut parts = rig.faults.journal().of(Call::Part);
    parts.sort_by_key(|part| part.part);
    let mut offset = 0;
    for pair in parts.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if one.part == next.part {
            same(format_args!("bytes of part {:?} sent again", one.part), next.content, one.content)?;
            same(format_args!("place of part {:?} sent again", one.part), next.offset, one.offset)?;
        } else {
            offset += one.length;
            same(format_args!("offset of part {:?}", next.part), next.offset, offset)?;
        }
    }
    Ok(rig)
}

async fn refused(c: Context) -> Result<(), Failure> {
    let rule = of_part(1, Fault::Before(Refusal::unavailable())).nth(0..2);
    let rig = check(c, Plan::new().rule(rule)).await?;
    same("requests for four parts, one refused twice", rig.faults.journal().count(Call::Part), 6)
}

async fn lost(c: Context) -> Result<(), Failure> {
    let rule = of_part(2, Fault::After(Refusal::unavailable())).nth(0..1);
    let rig = check(c, Plan::new().rule(rule)).await?;
    same("requests for four parts, one answer lost", rig.faults.journal().count(Call::Part), 5)
}

async fn first_last(c: Context) -> Result<(), Failure> {
    let rig = check(c, Plan::new().rule(of_part(0, Fault::Until(Call::Part, 3)))).await?;
    holds(rig.faults.journal().count(Call::Part) >= 4, "expected at least four parts")
}

async fn each_once(c: Context) -> Result<(), Failure> {
    let fails = |number| of_part(number, Fault::Before(Refusal::unavailable())).nth(0..1);
    check(c, Plan::new().rule(fails(0)).rule(fails(1)).rule(fails(2)).rule(fails(3))).await.map(drop)
}

/// The upload whose answer was lost shows nothing, now or later.
async fn begun_twice(c: Context) -> Result<(), Failure> {
    let rig = check(c, Plan::new().at(Call::Upload, 0, Fault::After(Refusal::unavailable()))).await?;
    same("uploads", rig.faults.journal().count(Call::Upload), 2)?;
    same("what is listed", rig.calm.names("", storage_core::ListOptions::new()).await?, ["a"])
}
