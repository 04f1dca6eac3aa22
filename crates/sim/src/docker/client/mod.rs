//! The command line of Docker on the answers of an [`Engine`]: `stack`, `service`, `node`, `network`, `config`, `secret`,
//! `inspect` and `info`, as far as they only look. Columns, wording, order and formats are those of docker/cli; each file names
//! the place that it follows.

mod inspect;
mod lists;
mod pretty;
pub mod table;
mod tasks;
pub mod template;
pub mod words;

use clap::{Parser, Subcommand};

use super::engine::Engine;
use super::filters::Filters;
use super::objects::ApiError;
use crate::order::FileKind;

/// What a command said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// On standard output.
    pub out: String,
    /// On standard error, without a line break at the end.
    pub err: String,
    /// Whether it failed.
    pub failed: bool,
}

impl Said {
    fn new(out: String) -> Said {
        Said { out, ..Said::default() }
    }

    fn failed(err: impl Into<String>) -> Said {
        Said { err: err.into(), failed: true, ..Said::default() }
    }
}

/// As Docker's client prints what an engine refuses.
fn from_daemon(error: &ApiError) -> String {
    format!("Error response from daemon: {}", error.message)
}

#[derive(Parser, Debug)]
#[command(name = "docker", no_binary_name = true, disable_help_subcommand = true, disable_version_flag = true)]
#[command(about = "What Docker's command line shows of the cluster at this moment")]
struct Docker {
    #[command(subcommand)]
    object: Object,
}

#[derive(Subcommand, Debug)]
enum Object {
    /// Stacks, their tasks and services
    #[command(subcommand)]
    Stack(StackVerb),
    /// Services and their tasks
    #[command(subcommand)]
    Service(ServiceVerb),
    /// Nodes and their tasks
    #[command(subcommand)]
    Node(NodeVerb),
    /// Networks
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Configs
    #[command(subcommand)]
    Config(FileVerb),
    /// Secrets
    #[command(subcommand)]
    Secret(FileVerb),
    /// Anything by its name or id
    Inspect(AnyArgs),
    /// The engine and its swarm
    Info(InfoArgs),
}

#[derive(Subcommand, Debug)]
enum StackVerb {
    /// List stacks
    #[command(alias = "list")]
    Ls(StackListArgs),
    /// List the tasks in the stack
    Ps(StackTasksArgs),
    /// List the services in the stack
    Services(StackServicesArgs),
}

#[derive(Subcommand, Debug)]
enum ServiceVerb {
    /// List services
    #[command(alias = "list")]
    Ls(ListArgs),
    /// List the tasks of one or more services
    Ps(ServiceTasksArgs),
    /// Display detailed information on one or more services
    Inspect(InspectArgs),
    /// Logs are not simulated
    Logs(LogsArgs),
}

#[derive(Subcommand, Debug)]
enum NodeVerb {
    /// List nodes in the swarm
    #[command(alias = "list")]
    Ls(ListArgs),
    /// List tasks running on one or more nodes, defaults to current node
    Ps(NodeTasksArgs),
    /// Display detailed information on one or more nodes
    Inspect(InspectArgs),
}

#[derive(Subcommand, Debug)]
enum NetworkVerb {
    /// List networks
    #[command(alias = "list")]
    Ls(NetworkListArgs),
    /// Display detailed information on one or more networks
    Inspect(PlainInspectArgs),
}

#[derive(Subcommand, Debug)]
enum FileVerb {
    /// List them
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Display detailed information on one or more of them
    Inspect(InspectArgs),
}

#[derive(clap::Args, Debug)]
struct StackListArgs {
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long)]
    format: Option<String>,
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Only display IDs
    #[arg(short, long)]
    quiet: bool,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Filter output based on conditions provided, `NAME=VALUE`
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct NetworkListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
}

#[derive(clap::Args, Debug)]
struct StackServicesArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Its name
    stack: String,
}

#[derive(clap::Args, Debug)]
struct TaskArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Do not map IDs to Names
    #[arg(long)]
    no_resolve: bool,
}

#[derive(clap::Args, Debug)]
struct StackTasksArgs {
    #[command(flatten)]
    tasks: TaskArgs,
    /// Its name
    stack: String,
}

#[derive(clap::Args, Debug)]
struct ServiceTasksArgs {
    #[command(flatten)]
    tasks: TaskArgs,
    /// Names or ids
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct NodeTasksArgs {
    #[command(flatten)]
    tasks: TaskArgs,
    /// Names or ids; `self` is the current one
    #[arg(value_name = "NODE", default_value = "self")]
    nodes: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct PlainInspectArgs {
    /// `json` or a Go template
    #[arg(short, long)]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct InspectArgs {
    #[command(flatten)]
    plain: PlainInspectArgs,
    /// Print the information in a human friendly format
    #[arg(long)]
    pretty: bool,
}

#[derive(clap::Args, Debug)]
struct AnyArgs {
    #[command(flatten)]
    plain: PlainInspectArgs,
    /// Only look for a thing of this type: config, network, node, secret, service, task
    #[arg(long = "type", value_name = "TYPE")]
    of: Option<String>,
}

#[derive(clap::Args, Debug)]
struct InfoArgs {
    /// `json` or a Go template
    #[arg(short, long)]
    format: Option<String>,
}

#[derive(clap::Args, Debug)]
struct LogsArgs {
    /// A service or a task
    target: String,
}

/// The commands that there are, for people who do not know.
pub const COMMANDS: &str = "\
stack ls                       stacks and how many services each has
stack ps STACK                 tasks of a stack, with what was in their slots before
stack services STACK           its services
service ls                     services: mode, running and wanted replicas, image, ports
service ps SERVICE...          tasks of services
service inspect SERVICE...     all that is known of them; --pretty for people
node ls                        nodes: status, availability, who leads
node ps [NODE...]              tasks of nodes; without a name those of the manager that is asked
node inspect NODE|self...      all that is known of them; --pretty for people
network ls                     networks
network inspect NETWORK...     subnet, addresses in use on the manager that is asked, peers
config ls, config inspect      configs; --pretty for people
secret ls, secret inspect      secrets; --pretty for people
inspect NAME...                whatever has that name or id, tasks too (web.3 is the newest of its slot); --type
info                           the manager that is asked, and its swarm

options: --format table|json|TEMPLATE, --filter NAME=VALUE, --no-trunc, --no-resolve, -q
";

/// Commands of Docker that change something, or that are about what a simulation does not have.
const OTHERS: &[&str] = &[
    "build",
    "ca",
    "connect",
    "create",
    "demote",
    "deploy",
    "disconnect",
    "exec",
    "init",
    "join",
    "join-token",
    "kill",
    "leave",
    "promote",
    "prune",
    "pull",
    "push",
    "rm",
    "remove",
    "rollback",
    "run",
    "scale",
    "start",
    "stop",
    "unlock",
    "update",
];

/// Whether the words are a command of Docker that does more than to look.
pub fn is_order(words: &[String]) -> bool {
    words.iter().take(2).any(|word| OTHERS.contains(&word.as_str()))
}

/// Carries out the words after `docker`.
///
/// # Errors
///
/// If they are no command that only looks: what is wrong, or what help says.
pub fn perform(engine: &Engine, words: &[String]) -> Result<Said, clap::Error> {
    let Docker { object } = Docker::try_parse_from(words)?;
    let said = match object {
        Object::Stack(StackVerb::Ls(args)) => lists::stacks(engine, args.format.as_deref()),
        Object::Stack(StackVerb::Ps(args)) => tasks::of_stack(engine, &args),
        Object::Stack(StackVerb::Services(args)) => lists::stack_services(engine, &args),
        Object::Service(ServiceVerb::Ls(args)) => lists::services(engine, &args),
        Object::Service(ServiceVerb::Ps(args)) => tasks::of_services(engine, &args),
        Object::Service(ServiceVerb::Inspect(args)) => inspect::services(engine, &args),
        Object::Service(ServiceVerb::Logs(args)) => Err(no_logs(engine, &args.target)),
        Object::Node(NodeVerb::Ls(args)) => lists::nodes(engine, &args),
        Object::Node(NodeVerb::Ps(args)) => tasks::of_nodes(engine, &args),
        Object::Node(NodeVerb::Inspect(args)) => inspect::nodes(engine, &args),
        Object::Network(NetworkVerb::Ls(args)) => lists::networks(engine, &args),
        Object::Network(NetworkVerb::Inspect(args)) => inspect::networks(engine, &args),
        Object::Config(FileVerb::Ls(args)) => lists::files(engine, FileKind::Config, &args),
        Object::Secret(FileVerb::Ls(args)) => lists::files(engine, FileKind::Secret, &args),
        Object::Config(FileVerb::Inspect(args)) => inspect::files(engine, FileKind::Config, &args),
        Object::Secret(FileVerb::Inspect(args)) => inspect::files(engine, FileKind::Secret, &args),
        Object::Inspect(args) => inspect::any(engine, &args),
        Object::Info(args) => inspect::info(engine, args.format.as_deref()),
    };
    Ok(said.unwrap_or_else(Said::failed))
}

/// Filters as they are written, `name=value` (docker/cli `opts`, `FilterOpt`).
fn filters(written: &[String]) -> Result<Filters, String> {
    let mut filters = Filters::new();
    for filter in written.iter().filter(|filter| !filter.is_empty()) {
        let (name, value) = filter.split_once('=').ok_or_else(|| {
            format!(
                "invalid argument \"{filter}\" for \"-f, --filter\" flag: bad format of filter (expected name=value)"
            )
        })?;
        filters.add(&name.trim().to_lowercase(), value.trim());
    }
    Ok(filters)
}

/// docker/cli `cli/command/service/logs.go`.
fn no_logs(engine: &Engine, target: &str) -> String {
    match engine.service(target, false).map(drop).or_else(|_| engine.task(target).map(drop)) {
        Ok(()) => format!("logs of {target}: containers of a simulation write nothing"),
        Err(error) if error.status == 404 => format!("no such task or service: {target}"),
        Err(error) => from_daemon(&error),
    }
}
