//! A listing is whole and true, or it ends with an error.

use futures_util::StreamExt;
use storage_core::{Capabilities, Entry, Error, ErrorKind, Key, ListOptions, Prefix, Scope};

use super::rig::Rig;
use crate::case::Case;
use crate::context::Context;
use crate::expect::{holds, same};
use crate::failure::Failure;
use crate::fault::{Call, Fault, FaultLayer, Plan, Refusal};

pub(crate) const CASES: &[Case] = &[
    Case::new("list", "LIST-3", "refused-page-is-asked-for-again", |c| Box::pin(refused(c))),
    Case::new("list", "LIST-3", "lost-page-is-asked-for-again", |c| Box::pin(lost(c))),
    Case::new("list", "LIST-3", "refused-first-page", |c| Box::pin(refused_first(c))),
    Case::new("list", "LIST-3", "failure-on-a-later-page-is-an-error", |c| Box::pin(later_fails(c))),
    Case::new("list", "LIST-3", "repeated-token-is-an-error", |c| Box::pin(repeated(c))),
    Case::new("list", "LIST-3", "tokens-in-a-circle-are-an-error", |c| Box::pin(circle(c))),
    Case::new("list", "LIST-3", "empty-page-is-no-end", |c| Box::pin(empty_page(c))),
    Case::new("list", "LIST-2", "broken-order-is-an-error", |c| Box::pin(order(c))).needs(sorted),
    Case::new("list", "LIST-2", "start-after-is-emulated", |c| Box::pin(emulated_start(c))),
    Case::new("list", "LIST-1", "delimiter-is-emulated", |c| Box::pin(emulated_delimiter(c))),
    Case::new("list", "LIST-1", "entry-outside-the-prefix-is-an-error", |c| Box::pin(outside(c))),
    Case::new("list", "KEY-3", "bad-entry-is-one-error", |c| Box::pin(bad_entry(c))),
    Case::new("list", "LIST-4", "dropped-listing-asks-for-no-page", |c| Box::pin(dropped(c))),
];

const NAMES: [&str; 10] = ["p/0", "p/1", "p/2", "p/3", "p/4", "p/5", "p/6", "p/7", "p/8", "p/9"];

fn sorted(can: &Capabilities) -> Option<String> {
    (!can.list_sorted).then(|| "its listings come in no order".into())
}

/// Ten objects in pages of three.
async fn rig(c: Context, plan: Plan) -> Result<Rig, Failure> {
    let rig = Rig::with(c, FaultLayer::new(plan).page_size(3));
    rig.calm.fill(&NAMES).await?;
    Ok(rig)
}

/// Everything that the listing yields, and that it ends after an error.
async fn collect(rig: &Rig, prefix: &str) -> Result<Vec<Result<Entry, Error>>, Failure> {
    let all: Vec<_> = rig.faulty.store.list(&Prefix::new(prefix)?, ListOptions::new()).collect().await;
    rig.all_met()?;
    let fatal = |entry: &Result<Entry, Error>| matches!(entry, Err(e) if e.scope() == Scope::Operation);
    let at = all.iter().position(fatal);
    holds(
        at.is_none_or(|at| at + 1 == all.len()),
        format_args!("expected nothing after the error, got {} items, the error at {at:?}", all.len()),
    )?;
    Ok(all)
}

/// The listing is whole although `plan` came in between.
async fn survives(c: Context, plan: Plan) -> Result<(), Failure> {
    let rig = rig(c, plan).await?;
    let mut names = rig.faulty.names("p/", ListOptions::new()).await?;
    rig.all_met()?;
    names.sort();
    same("names", names, NAMES)
}

/// The listing ends with an error of `kind`.
async fn ends(c: Context, plan: Plan, kind: ErrorKind) -> Result<(), Failure> {
    let rig = rig(c, plan).await?;
    match collect(&rig, "p/").await?.pop() {
        Some(Err(error)) => same("kind of the last item", error.kind(), kind),
        Some(Ok(entry)) => Err(Failure::new(format_args!(
            "expected the listing to end with {kind:?}, it ended after `{}` as if it were whole",
            entry.name()
        ))),
        None => Err(Failure::new(format_args!("expected {kind:?}, the listing was empty"))),
    }
}

async fn refused(c: Context) -> Result<(), Failure> {
    survives(c, Plan::new().each(Call::Page, 1..3, Fault::Before(Refusal::unavailable()))).await
}

async fn lost(c: Context) -> Result<(), Failure> {
    survives(c, Plan::new().at(Call::Page, 2, Fault::After(Refusal::unavailable()))).await
}

async fn refused_first(c: Context) -> Result<(), Failure> {
    survives(c, Plan::new().at(Call::Page, 0, Fault::Before(Refusal::unavailable()))).await
}

async fn empty_page(c: Context) -> Result<(), Failure> {
    survives(c, Plan::new().at(Call::Page, 1, Fault::EmptyPage(&["another"]))).await
}

async fn later_fails(c: Context) -> Result<(), Failure> {
    let plan = || Plan::new().each(Call::Page, 2.., Fault::Before(Refusal::unavailable()));
    ends(c.clone(), plan(), ErrorKind::Unavailable).await?;
    ends(c, Plan::new().at(Call::Page, 3, Fault::Before(Refusal::denied())), ErrorKind::PermissionDenied)
        .await
}

async fn repeated(c: Context) -> Result<(), Failure> {
    ends(c, Plan::new().each(Call::Page, 0..2, Fault::Token("same")), ErrorKind::InvalidData).await
}

/// No token stands twice in a row, and still the listing would never end.
async fn circle(c: Context) -> Result<(), Failure> {
    let round = Fault::EmptyPage(&["one", "two", "three"]);
    ends(c, Plan::new().each(Call::Page, 1..1000, round), ErrorKind::InvalidData).await
}

async fn order(c: Context) -> Result<(), Failure> {
    ends(c, Plan::new().at(Call::Page, 1, Fault::Backwards), ErrorKind::InvalidData).await
}

async fn outside(c: Context) -> Result<(), Failure> {
    ends(c, Plan::new().at(Call::Page, 3, Fault::Extra("~outside")), ErrorKind::InvalidData).await
}

async fn bad_entry(c: Context) -> Result<(), Failure> {
    let rig = rig(c, Plan::new().at(Call::Page, 1, Fault::BadEntry)).await?;
    let all = collect(&rig, "p/").await?;
    let errors: Vec<&Error> = all.iter().filter_map(|entry| entry.as_ref().err()).collect();
    same("errors", errors.len(), 1)?;
    same("scope of the error", errors[0].scope(), Scope::Entry)?;
    same("entries around it", all.len() - 1, NAMES.len())
}

async fn dropped(c: Context) -> Result<(), Failure> {
    let rig = rig(c, Plan::new()).await?;
    let mut listing = rig.faulty.store.list(&Prefix::new("p/")?, ListOptions::new());
    holds(listing.next().await.is_some(), "expected an entry, got none")?;
    let pages = rig.faults.journal().count(Call::Page);
    drop(listing);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    same("pages asked for by a listing of which one entry was taken", pages, 1)?;
    same("pages asked for after the drop", rig.faults.journal().count(Call::Page), pages)
}

const TREE: [&str; 8] = ["a", "a/b", "a/c/d", "b/x", "b/y", "b-", "c/d/e/f", "d"];

/// A store that groups and skips by itself gives what the backend gives.
async fn emulated(c: Context, options: ListOptions, expected: &[&str]) -> Result<(), Failure> {
    let nothing = |can: &mut Capabilities| (can.list_delimiter, can.list_start_after) = (false, false);
    let layer = FaultLayer::new(Plan::new()).page_size(2).declare(nothing);
    let rig = Rig::with(c, layer);
    // `a` and `a/b` cannot stand side by side where directories are real.
    let names = TREE.iter().filter(|name| !(rig.calm.can.directories && **name == "a"));
    for name in names {
        rig.calm.store.write(&Key::new(name)?, "content", storage_core::WriteOptions::new()).await?;
    }
    let mut by_store = rig.faulty.names("", options.clone()).await?;
    let mut by_backend = rig.calm.names("", options).await?;
    if !rig.calm.can.list_sorted {
        by_store.sort();
        by_backend.sort();
    }
    same("names by the store and by the backend", &by_store, &by_backend)?;
    by_store.retain(|name| name != "a");
    same("names", by_store, expected)
}

async fn emulated_delimiter(c: Context) -> Result<(), Failure> {
    emulated(c, ListOptions::new().delimiter('/'), &["a/", "b-", "b/", "c/", "d"]).await
}

async fn emulated_start(c: Context) -> Result<(), Failure> {
    emulated(c, ListOptions::new().start_after("a/c/d"), &["b-", "b/x", "b/y", "c/d/e/f", "d"]).await
}
