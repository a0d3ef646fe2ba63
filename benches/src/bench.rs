//! What works share.

use std::cell::{Cell, RefCell};

use crate::disk::Scratch;
use crate::measure::{Papers, Run, run};
use crate::nginx::Nginx;
use crate::options::Options;
use crate::peers::Peers;
use crate::race::Heat;
use crate::s3::{self, Service};
use crate::sets::Set;
use crate::tools::{Action, Task, Tool};

pub(crate) struct Bench {
    pub(crate) options: Options,
    /// The name of the work that runs.
    pub(crate) work: Cell<&'static str>,
    pub(crate) peers: Peers,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) service: Result<Service, String>,
    pub(crate) nginx: Result<Nginx, String>,
    /// The configuration that makes the AWS CLI use its other client.
    pub(crate) aws: (String, String),
}

/// One run of one tool.
pub(crate) struct Sample {
    pub(crate) run: Run,
    pub(crate) command: String,
    /// The requests of it, if they were counted.
    pub(crate) requests: Option<String>,
}

impl Bench {
    /// Sets as large as the run wants them.
    pub(crate) fn sets(&self) -> [Set; 4] {
        Set::all(self.options.quick)
    }

    /// A folder or file below the scratch folder, as words on command lines have it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.scratch.borrow().path(name).to_string_lossy().into_owned()
    }

    /// A set on the disk.
    pub(crate) fn files(&self, set: Set) -> Result<String, String> {
        let folder = self.scratch.borrow().path("sets");
        Ok(set.make(&folder)?.to_string_lossy().into_owned())
    }

    /// A path on the disk for what a run makes; no other run has it.
    pub(crate) fn place(&self, set: Set, heat: Heat) -> String {
        let name = format!("{}-{}-{}-{}", self.work.get(), set.name, heat.round, heat.at);
        self.scratch.borrow().left().join(name).to_string_lossy().into_owned()
    }

    /// Where the service is, or the counter in front of it.
    pub(crate) fn endpoint(&self, counted: bool) -> Result<String, String> {
        match &self.nginx {
            Ok(nginx) if counted => Ok(nginx.proxy.clone()),
            _ => Ok(self.service.clone()?.endpoint),
        }
    }

    /// Runs a tool on a task, `times` times one after the other if one process does but one.
    pub(crate) fn run(&self, tool: Tool, task: &Task<'_>, how: &How) -> Result<Sample, String> {
        let command = [self.peers.program(tool)?, tool.words(task)?].concat();
        let repeated = if how.times > 1 { repeat(&command, how.times) } else { command.clone() };
        let mut environment = s3::environment(task.endpoint, how.anonymous);
        environment.push(self.aws.clone());
        if let (true, Ok(nginx)) = (how.counted, &self.nginx) {
            nginx.reset();
        }
        let papers = self.papers();
        let papers = if task.action == Action::Print { papers.without_output() } else { papers };
        let run = run(&repeated, &environment, &papers)?;
        let requests = match (how.counted, &self.nginx) {
            (true, Ok(nginx)) => Some(nginx.requests()),
            _ => None,
        };
        Ok(Sample { run, command: self.shown(&command, how.times), requests })
    }

    /// What tools printed last.
    pub(crate) fn papers(&self) -> Papers {
        Papers::within(&self.scratch.borrow().folder)
    }

    /// A command as a reader would write it.
    fn shown(&self, command: &[String], times: u64) -> String {
        let scratch = self.path("");
        let text = self.peers.shorten(command).replace(&scratch, "");
        if times > 1 { format!("{text} # {times} times") } else { text }
    }
}

/// How a task is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Through the counter of requests. Such a run is not measured.
    pub(crate) counted: bool,
    pub(crate) anonymous: bool,
    /// How many processes, one after the other.
    pub(crate) times: u64,
}

impl How {
    pub(crate) fn once(counted: bool) -> Self {
        Self { counted, anonymous: false, times: 1 }
    }
}

/// The same command again and again in one shell, which costs less than what a clock can tell.
pub(crate) fn repeat(command: &[String], times: u64) -> Vec<String> {
    let script = r#"n=$1; shift; while [ "$n" -gt 0 ]; do "$@" > /dev/null || exit 1; n=$((n-1)); done"#;
    let mut all = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
    all.push(times.to_string());
    all.extend_from_slice(command);
    all
}
