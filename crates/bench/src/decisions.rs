//! How long a decision of the policy takes with 10, 100, 200 and 1,000 policies, and one that is recorded and decided again.
//! Asks no server and no database.
//!
//! A third of the policies are for one of ten servers by their heads, the rest look at groups, words, arguments and time.
//! Each figure is of single decisions, the facts of the case put into Cedar's words anew each time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use portcullis_policy::replay::again;
use portcullis_policy::{
    Arguments, Case, Circumstances, Client, Connection, Moment, Pin, PolicySet, Principal, Recorded, Subject,
    Target, Tool, could_pass, decide,
};
use serde_json::json;

use crate::{Options, Outcome};

const COUNTS: [usize; 4] = [10, 100, 200, 1_000];

/// Measures and prints.
pub(crate) fn run(options: &Options, count: usize) -> Outcome<()> {
    let decisions = if options.quick { 50 } else { count.max(100) };
    let (mut table, mut rows) = (Table::new(), Vec::new());
    table.load_style(ASCII_MARKDOWN).set_header([
        "policies",
        "parsed in ms",
        "allow µs p50 / p99",
        "deny µs p50 / p99",
        "list µs p50 / p99",
        "replay µs p50 / p99",
    ]);
    for count in COUNTS {
        let text = policies(count);
        let begun = Instant::now();
        let set = PolicySet::parse(&text).map_err(|problems| format!("{problems:?}"))?;
        let parsed = begun.elapsed();
        let figures = figures(&set, decisions)?;
        rows.push(json!({ "policies": count, "parsed_ms": parsed.as_millis(), "micros_p50_p99": figures }));
        let cells = figures.map(|(p50, p99)| format!("{p50:.1} / {p99:.1}"));
        let [allow, deny, list, replay] = cells;
        table.add_row([count.to_string(), parsed.as_millis().to_string(), allow, deny, list, replay]);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{decisions} decisions each.\n\n{table}");
    }
    Ok(())
}

/// Allowed, denied, asked for a list, and decided again: p50 and p99 in microseconds.
fn figures(set: &PolicySet, decisions: usize) -> Outcome<[(f64, f64); 4]> {
    let (subject, circumstances) = (subject(), circumstances()?);
    let target = |tool: &str| Target::Tool(Tool { pin: Pin::Active, ..Tool::new(tool, None) });
    let (allowed, denied) = (target("list_issues"), target("run_shell"));
    let case = |target| Case { subject: &subject, target, circumstances: &circumstances };
    let ask = |target| measure(decisions, || drop(black_box(decide(set, &case(target)))));
    let decision = decide(set, &case(&allowed));
    let recorded = Recorded::of(&case(&allowed), "subject".to_owned(), (&decision, 1), |_, _| false);
    Ok([
        ask(&allowed),
        ask(&denied),
        measure(decisions, || {
            black_box(could_pass(set, &subject, &allowed));
        }),
        measure(decisions, || drop(black_box(again(set, &recorded, &subject)))),
    ])
}

fn measure(count: usize, mut decision: impl FnMut()) -> (f64, f64) {
    for _ in 0..count / 10 {
        decision();
    }
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            decision();
            begun.elapsed()
        })
        .collect();
    middle_and_tail(&mut times)
}

/// p50 and p99 in microseconds.
pub(crate) fn middle_and_tail(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    (at(50), at(99))
}

/// So many policies.
pub(crate) fn policies(count: usize) -> String {
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

fn circumstances() -> Outcome<Circumstances> {
    let arguments = json!({"repository": "tools", "labels": ["bug", "help"], "page": 1, "query": "open"});
    Ok(Circumstances {
        arguments: Arguments::of(arguments.as_object().ok_or("the arguments are no object")?),
        time: Moment { unix: 1_795_991_400, offset: 3600 },
        address: Some([10, 1, 2, 3].into()),
        authentication: 2,
        ..Circumstances::default()
    })
}
