//! How long a decision takes with 10, 100 and 1,000 policies: `cargo run --release -p portcullis-policy --example measure`.
//!
//! A third of the policies are for one of ten servers by their heads, the rest look at groups, words, arguments and time.
//! Each figure is of single decisions, the facts of the case put into Cedar's words anew each time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis_policy::{
    Arguments, Assurance, Case, Circumstances, Client, Connection, Moment, Pin, PolicySet, Principal,
    Subject, Target, Tool, could_pass, decide,
};

const DECISIONS: usize = 20_000;

fn main() -> Result<(), String> {
    println!(
        "{:>8} {:>26} {:>22} {:>22} {:>22}",
        "policies", "parsed in", "allow p50 / p99", "deny p50 / p99", "list p50 / p99"
    );
    for count in [10, 100, 200, 1_000] {
        let text = policies(count);
        let begun = Instant::now();
        let set = PolicySet::parse(&text).map_err(|problems| format!("{problems:?}"))?;
        let parsed = begun.elapsed();
        let subject = subject();
        let circumstances = circumstances()?;
        let ask = |tool: &str| {
            let target = Target::Tool(Tool { pin: Pin::Active, ..Tool::new(tool, None) });
            let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
            measure(|| drop(black_box(decide(&set, &case))))
        };
        let (allow, deny) = (ask("list_issues"), ask("run_shell"));
        let target = Target::Tool(Tool { pin: Pin::Active, ..Tool::new("list_issues", None) });
        let list = measure(|| {
            black_box(could_pass(&set, &subject, &target));
        });
        println!("{count:>8} {parsed:>26.1?} {allow:>22} {deny:>22} {list:>22}");
    }
    Ok(())
}

fn measure(mut decision: impl FnMut()) -> String {
    for _ in 0..DECISIONS / 10 {
        decision();
    }
    let mut times: Vec<Duration> = (0..DECISIONS)
        .map(|_| {
            let begun = Instant::now();
            decision();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    format!("{:.1?} / {:.1?}", times[DECISIONS / 2], times[DECISIONS * 99 / 100])
}

fn policies(count: usize) -> String {
    let call = "principal, action == Action::\"callTool\"";
    let mut policies = vec![
        "@id(\"owners\") @reason(\"r\") permit (principal, action, resource) when { principal.id == resource.owner };"
            .to_owned(),
        format!("@id(\"shell\") @reason(\"r\") forbid ({call}, resource) when {{ resource.words.contains(\"shell\") }};"),
    ];
    policies.extend((2..count).map(|place| {
        let (head, condition) = match place % 6 {
            0 | 3 => (format!("resource in Server::\"server{}\"", place % 10), "context.assurance < 2".to_owned()),
            1 => ("resource".to_owned(), format!("resource.words.containsAny([\"a{place}\", \"b{place}\"])")),
            2 => ("resource".to_owned(), format!("principal in Group::\"g{place}\" && context.time.hour > 18")),
            4 => {
                let argument = format!("/a{place}");
                let condition = format!(
                    "context.arguments.hasTag(\"{argument}\") && context.arguments.getTag(\"{argument}\") like \"*x*\""
                );
                ("resource".to_owned(), condition)
            }
            _ => ("resource".to_owned(), format!("resource.name like \"prefix{place}*\"")),
        };
        format!("@id(\"p{place}\") @reason(\"r\") forbid ({call}, {head}) when {{ {condition} }};")
    }));
    policies.join("\n")
}

fn subject() -> Subject {
    let permissions = ["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read"];
    Subject {
        principal: Principal {
            id: "usr_ada".to_owned(),
            email: Some("ada@example.com".to_owned()),
            groups: vec!["builders".to_owned(), "agents".to_owned()],
            permissions: permissions.map(str::to_owned).to_vec(),
            ..Principal::default()
        },
        client: Client { id: "cli_1".to_owned(), host: Some("claude.ai".to_owned()), ..Client::default() },
        connection: Connection {
            id: "con_1".to_owned(),
            alias: "work".to_owned(),
            owner: "usr_ada".to_owned(),
            server: "github".to_owned(),
            ..Connection::default()
        },
        granted: true,
    }
}

fn circumstances() -> Result<Circumstances, String> {
    let arguments =
        serde_json::json!({"repository": "tools", "labels": ["bug", "help"], "page": 1, "query": "open"});
    Ok(Circumstances {
        assurance: Assurance::None,
        arguments: Arguments::of(arguments.as_object().ok_or("the arguments are no object")?),
        time: Moment { unix: 1_795_991_400, offset: 3600 },
        address: Some([10, 1, 2, 3].into()),
        authentication: 2,
    })
}
