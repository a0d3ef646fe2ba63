//! Killed at any moment, a sync leaves every file old or new, and a rerun finishes it.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use common::tree::{assert_same, leftovers, noise, set_modified};
use common::{Ran, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Sizes around the borders of chunks and parts, so that files are killed in each stage of a write.
const SIZES: [usize; 8] = [0, 1, 300, 4_096, 70_000, 150_000, 300_000, 2_500_000];
const FILES: u64 = 240;
const KILLS: usize = 30;

type Contents = BTreeMap<PathBuf, Vec<u8>>;

fn name(at: u64) -> PathBuf {
    PathBuf::from(format!("{}/{}/file{at}", at % 5, at % 3))
}

fn content(at: u64, version: u64) -> Vec<u8> {
    // Large ones are fewer.
    let size = SIZES[if at.is_multiple_of(48) { 7 } else { (at % 7) as usize }];
    noise(at * 2 + version, if version == 0 { size / 2 + 10 } else { size })
}

/// The new version in `s`, the old one in `d`, and both in memory.
fn versions() -> (Sandbox, Contents, Contents) {
    let sandbox = Sandbox::new();
    let (mut old, mut new) = (Contents::new(), Contents::new());
    for at in 0..FILES {
        let (was, is) = (content(at, 0), content(at, 1));
        sandbox.put(PathBuf::from("s").join(name(at)), &is);
        set_modified(&sandbox.put(PathBuf::from("d").join(name(at)), &was), 1_000_000_000_000_000_000);
        old.insert(name(at), was);
        new.insert(name(at), is);
    }
    (sandbox, old, new)
}

fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(["sync", "s", "d", "--no-fsync", "--delete"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program runs")
}

fn signal(child: &Child, signal: Signal) {
    let id = Pid::from_raw(child.id().cast_signed()).expect("a process");
    // It may have ended by itself.
    let _ = kill_process(id, signal);
}

/// How many are new. Panics on a file that is neither old nor new.
fn whole(sandbox: &Sandbox, old: &Contents, new: &Contents) -> usize {
    let replaced = |(name, was): (&PathBuf, &Vec<u8>)| {
        let is = sandbox.read(PathBuf::from("d").join(name));
        assert!(is == *was || is == new[name], "{} is neither old nor new", name.display());
        is == new[name] && is != *was
    };
    old.iter().filter(|entry| replaced(*entry)).count()
}

/// Puts some old files back, so that the next run has work wherever the last one stood.
fn set_back(sandbox: &Sandbox, old: &Contents, round: u64) {
    for at in (0..FILES).filter(|at| (at + round).is_multiple_of(3)) {
        let path = sandbox.put(PathBuf::from("d").join(name(at)), &old[&name(at)]);
        set_modified(&path, 1_000_000_000_000_000_000);
    }
}

/// A moment that differs from run to run, and is told when the test fails.
fn seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64)
}

#[test]
fn killed_at_any_moment_every_file_is_old_or_new() {
    let (sandbox, old, new) = versions();
    let seed = seed();
    println!("seed {seed}");
    // The span of moments follows the length of a run on this machine, which nobody knows beforehand.
    let mut span = Duration::from_millis(200);
    let mut moments = noise(seed, 1_000).into_iter();
    let (mut killed, mut left, mut rounds) = (0, 0, 0);
    while killed < KILLS {
        let moment = moments.next().expect("it cannot be that every run ends before its moment");
        let mut run = start(&sandbox);
        std::thread::sleep(span.mul_f64(f64::from(moment) / 255.0));
        signal(&run, Signal::KILL);
        let alive = !run.wait().expect("it ends").success();
        killed += usize::from(alive);
        span = span.mul_f64(if alive { 1.1 } else { 0.7 });
        left += leftovers(&sandbox.at("d")).len();
        whole(&sandbox, &old, &new);
        rounds += 1;
        set_back(&sandbox, &old, rounds);
    }
    println!("{killed} runs killed, {left} leftovers");
    sandbox.run(["sync", "s", "d", "--no-fsync", "--delete"]).ok();
    assert_eq!(whole(&sandbox, &old, &new), new.iter().filter(|(name, is)| old[*name] != **is).count());
    assert_same(&sandbox.at("s"), &sandbox.at("d"));
    assert_eq!(leftovers(&sandbox.at("d")).len(), 0);
    let summary = sandbox.run(["sync", "s", "d", "--delete", "--json"]).ok().summary();
    assert_eq!(
        (&summary["copied"], &summary["updated"], &summary["cleaned"]),
        (&json!(0), &json!(0), &json!(0))
    );
}

/// Ctrl-C: the exit code that shells expect, and not even a temporary file stays.
#[test]
fn interrupted_it_cleans_up_after_itself() {
    let (sandbox, old, new) = versions();
    let mut interrupted = 0;
    for (round, by) in
        [Signal::INT, Signal::TERM, Signal::INT, Signal::TERM, Signal::INT].into_iter().enumerate()
    {
        set_back(&sandbox, &old, round as u64);
        let before = whole(&sandbox, &old, &new);
        let mut run = start(&sandbox);
        // Not a moment in time but a state: the first file is new.
        while whole(&sandbox, &old, &new) == before && run.try_wait().expect("it runs").is_none() {}
        signal(&run, by);
        let ran = Ran::from(run.wait_with_output().expect("it ends"));
        assert_eq!(leftovers(&sandbox.at("d")).len(), 0, "{ran:?}");
        whole(&sandbox, &old, &new);
        if ran.code != Some(0) {
            interrupted += 1;
            ran.ends(130).tells("nothing was left half-written");
        }
    }
    assert!(interrupted > 0, "every run ended before the signal");
}

/// Waiting for input is work that can be interrupted as well.
#[test]
fn interrupted_while_it_waits_for_input() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["put", "-", "f"]);
    let mut run = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut input = run.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, &noise(5, (10 << 20) + 1)).expect("it reads");
    // It waits inside a read once it has taken some bytes that are no whole chunk.
    while leftovers(sandbox.path()).is_empty() || rustix::io::ioctl_fionread(&input).expect("a pipe") > 0 {
        assert!(run.try_wait().expect("it runs").is_none(), "it ended early");
    }
    signal(&run, Signal::INT);
    let waiter = std::thread::spawn(move || Ran::from(run.wait_with_output().expect("it ends")));
    // The input stays open, so that only the signal can end the program. A program that does not end is a failure
    // after a time that no machine needs.
    for _ in 0..2_000 {
        if waiter.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let in_time = waiter.is_finished();
    drop(input);
    let ran = waiter.join().expect("the waiter");
    assert!(in_time, "it waited for the end of its input");
    ran.ends(130);
    assert_eq!(common::tree::tree(sandbox.path()).len(), 0);
}

/// A reader of our output that stops reading must not make the program deaf.
#[test]
fn interrupted_twice_while_nobody_reads_its_output() {
    let sandbox = Sandbox::new();
    sandbox.put("f", noise(6, 4 << 20));
    let mut run = sandbox.command(["cat", "f"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    let output = run.stdout.take().expect("a pipe");
    // The pipe is full once it holds what it can hold; then the program waits for us.
    let capacity = rustix::pipe::fcntl_getpipe_size(&output).expect("its size");
    while (rustix::io::ioctl_fionread(&output).expect("how much is in it") as usize) < capacity {}
    for _ in 0..2_000 {
        if run.try_wait().expect("it runs").is_some() {
            break;
        }
        signal(&run, Signal::INT);
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = run.try_wait().expect("it runs");
    drop(output);
    run.wait().expect("it ends");
    assert_eq!(ended.and_then(|status| status.code()), Some(130));
}
