//! Applications: order, servers, documents.

use tidegate_domain::plan::{MOST_SERVERS, Named, named};

use super::{BASE, change, check};

const SERVERS: &str = "servers: [{ tag: { role: web } }]";
const DB_SERVERS: &str =
    "servers: [{ hostname: db01 }, { id: s-0123456789abcdef0, criticality: critical }]";

/// A plan of these applications, each with its `after`.
fn ordered(applications: &[(&str, &str)]) -> String {
    let mut text = "wave: w\nstart: { on: manual }\ngates: { cutover: { automatic: true }, finalize: { automatic: true } }\napplications:\n".to_owned();
    for (name, after) in applications {
        text.push_str(&format!(
            "  - {{ name: {name}, after: [{after}], servers: [{{ hostname: {name} }}] }}\n"
        ));
    }
    text
}

#[test]
fn a_wave_has_applications() {
    check(
        &ordered(&[]).replace("applications:", "applications: []"),
        "4:15: `applications`: a wave has 1 to 500 applications; this one has 0",
    );
    check(
        &ordered(&[]),
        "4:13: `applications`: expected a list of applications; found nothing",
    );
}

#[test]
fn names_are_used_once() {
    change(
        "name: orders-web",
        "name: orders-db",
        "13:11: two applications are called `orders-db`; the first is in line 9",
    );
    change(
        "name: orders-web",
        "name: Orders Web",
        "13:11: `name`: expected a name of 1 to 60 lower-case letters, digits and hyphens that begins with a letter; found `Orders Web`",
    );
    change(
        "wave: orders",
        "wave: this-name-is-longer-than-forty-characters-are",
        "1:7: `wave`: expected a name of 1 to 40 lower-case letters, digits and hyphens that begins with a letter; found `this-name-is-longer-than-forty-characters-are`",
    );
}

#[test]
fn after_names_applications() {
    change(
        "after: [orders-db]",
        "after: [order-db]",
        "14:13: no application is called `order-db`; did you mean `orders-db`?",
    );
    change(
        "after: [orders-db]",
        "after: [payroll]",
        "14:13: no application is called `payroll`",
    );
    change(
        "after: [orders-db]",
        "after: [orders-db, orders-db]",
        "14:24: `orders-db` stands here twice",
    );
    change(
        "after: [orders-db]",
        "after: [orders-web]",
        "14:13: `orders-web` cannot come after itself",
    );
    change("name: orders-db", "name: Orders_DB", "9:11: `name`: expected a name of 1 to 60 lower-case letters, digits and hyphens that begins with a letter; found `Orders_DB`
14:13: no application is called `orders-db`; did you mean `Orders_DB`?");
}

#[test]
fn a_circle_is_named() {
    check(
        &ordered(&[("a", "b"), ("b", "a")]),
        "6:24: the applications wait for each other in a circle: `a` after `b` after `a`; take one `after` out",
    );
    check(
        &ordered(&[("a", ""), ("b", "a, d"), ("c", "b"), ("d", "c"), ("e", "d")]),
        "7:24: the applications wait for each other in a circle: `b` after `d` after `c` after `b`; take one `after` out",
    );
    check(
        &ordered(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]),
        "6:24: the applications wait for each other in a circle: `a` after `b` after `a`; take one `after` out
8:24: the applications wait for each other in a circle: `c` after `d` after `c`; take one `after` out",
    );
    check(
        &ordered(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "b, c")]),
        "nothing",
    );
}

#[test]
fn a_server_is_picked_in_one_way() {
    change(
        SERVERS,
        "servers: []",
        "15:14: `servers`: an application has at least one server",
    );
    change(
        SERVERS,
        "servers: [{}]",
        "15:15: which server? Write one of `hostname`, `id` or `tag`",
    );
    change(
        SERVERS,
        "servers: [{ criticality: critical }]",
        "15:15: which server? Write one of `hostname`, `id` or `tag`",
    );
    change(
        SERVERS,
        "servers: [{ hostname: a, id: s-0123456789abcdef1 }]",
        "15:34: a server is picked by one of `hostname`, `id` or `tag`: write one entry for each",
    );
    change(
        SERVERS,
        "servers: [{ id: i-0123456789abcdef0 }]",
        "15:21: `id`: expected a source server ID: s- and 17 letters or digits; found `i-0123456789abcdef0`",
    );
    change(
        SERVERS,
        "servers: [{ hostname: \"web 01\" }]",
        "15:27: `hostname`: expected a hostname: 1 to 255 letters, digits, points, hyphens and underscores; found the text `web 01`",
    );
    change(
        SERVERS,
        "servers: [{ hostname: \"\" }]",
        "15:27: `hostname`: expected a hostname: 1 to 255 letters, digits, points, hyphens and underscores; found an empty text",
    );
    change(
        SERVERS,
        "servers: [{ tag: {} }]",
        "15:22: `tag`: a server is picked by 1 to 50 tags",
    );
    change(
        SERVERS,
        "servers: [{ tag: { role: } }]",
        "15:28: `role`: expected a tag's value; found nothing",
    );
    change(
        SERVERS,
        "servers: [{ tag: web }]",
        "15:22: `tag`: expected tags such as { role: web }; found `web`",
    );
    change(
        SERVERS,
        "servers: [{ hostname: a, criticality: high }]",
        "15:43: `criticality`: expected `normal` or `critical`; found `high`",
    );
}

#[test]
fn a_server_is_named_once() {
    change(
        SERVERS,
        "servers: [{ hostname: DB01 }]",
        "15:27: `db01` is named twice; the first is in line 10, column 27: a server belongs to one application",
    );
    change(
        SERVERS,
        "servers: [{ id: s-0123456789ABCDEF0 }]",
        "15:21: `s-0123456789abcdef0` is named twice; the first is in line 10, column 41: a server belongs to one application",
    );
    change(
        SERVERS,
        "servers: [{ tag: { a: 1, b: 2 } }, { tag: { b: 2, a: 1 } }]",
        "15:47: what these tags pick is named twice; the first is in line 15, column 22: a server belongs to one application",
    );
    change(
        DB_SERVERS,
        "servers: [{ hostname: a }, { hostname: a }, { hostname: A }]",
        "10:44: `a` is named twice; the first is in line 10, column 27: a server belongs to one application
10:61: `a` is named twice; the first is in line 10, column 27: a server belongs to one application",
    );
}

#[test]
fn a_wave_has_a_limit_of_servers() {
    let names = |count: usize| {
        let servers: Vec<String> = (0..count)
            .map(|n| format!("{{ hostname: h{n} }}"))
            .collect();
        BASE.replace(SERVERS, &format!("servers: [{}]", servers.join(", ")))
    };
    check(&names(2_998), "nothing");
    check(
        &names(2_999),
        "15:61875: the plan names 3001 servers; a wave has at most 3000: make it two waves",
    );
}

#[test]
fn a_plan_that_cannot_be_stored_is_told() {
    let servers: Vec<String> = (0..2_000)
        .map(|n| format!("{{ hostname: {}{n} }}", "h".repeat(150)))
        .collect();
    check(
        &BASE.replace(SERVERS, &format!("servers: [{}]", servers.join(", "))),
        "1:1: the plan takes 396258 bytes to store, and at most 262144 fit: select servers by tag instead of naming each, or make it two waves",
    );
}

#[test]
fn documents_have_names_and_parameters() {
    change(
        "Tidegate-CheckPort",
        "Check Port",
        "12:28: `document`: expected the name of an SSM document: 3 to 128 letters, digits, hyphens, points, slashes, colons; found `Check Port`",
    );
    change(
        "Tidegate-CheckPort",
        "ab",
        "12:28: `document`: expected the name of an SSM document: 3 to 128 letters, digits, hyphens, points, slashes, colons; found `ab`",
    );
    change(
        "[\"5432\"]",
        "",
        "12:66: `port`: expected a text, a number or a list of them; found nothing",
    );
    change(
        "[\"5432\"]",
        "{ a: b }",
        "12:68: `port`: expected a text, a number or a list of them; found a mapping",
    );
    change(
        "[\"5432\"]",
        "[[5432]]",
        "12:69: `port`: expected a text or a number; found a list",
    );
    change(
        "[\"5432\"]",
        "true",
        "12:68: `port`: expected a text or a number; put it in quotes if true is one; found `true`",
    );
    change(
        "{ port: [\"5432\"] }",
        "[5432]",
        r#"12:60: `parameters`: expected parameters such as { port: ["5432"] }; found a list"#,
    );
    change(
        "port: [",
        "\"po rt\": [",
        "12:62: `po rt` is no parameter's name: 1 to 50 letters and digits",
    );
    change(
        "[postgresql] }",
        "[postgresql] }, timeout: 49h",
        "11:98: `timeout`: expected a duration from 1s to 48h; found `49h`",
    );
    change(
        "[postgresql] }",
        "[postgresql] }, undo: { document: x }",
        "11:107: `document`: expected the name of an SSM document: 3 to 128 letters, digits, hyphens, points, slashes, colons; found `x`",
    );
    change(
        "[postgresql] }",
        "[postgresql] }, undo: Tidegate-StartServices",
        "11:95: expected an undo, a mapping with the keys `document`, `parameters` and `timeout`; found `Tidegate-StartServices`",
    );
    change(
        "[{ document: Tidegate-CheckPort, parameters: { port: [\"5432\"] } }]",
        "{ document: Tidegate-CheckPort }",
        "12:15: `validate`: expected a list of documents; found a mapping",
    );
}

#[test]
fn lists_have_limits() {
    let many = |item: &str, count: usize| vec![item; count].join(", ");
    change(
        "[{ document: Tidegate-CheckPort, parameters: { port: [\"5432\"] } }]",
        &format!("[{}]", many("{ document: Tidegate-CheckDisk }", 21)),
        "12:15: `validate`: expected a list of documents, at most 20; found 21",
    );
    change(
        "[\"5432\"]",
        &format!("[{}]", many("1", 101)),
        "12:68: `port`: expected a text, a number or a list of them, at most 100; found 101",
    );
}

#[test]
fn what_a_plan_names_is_known_whatever_else_is_wrong_with_it() {
    let id = "s-0123456789abcdef0";
    let good = named(BASE);
    assert_eq!(good.wave.expect("a wave").as_str(), "orders");
    let servers: Vec<_> = good
        .servers
        .iter()
        .map(|(id, at)| (id.as_str(), *at))
        .collect();
    assert_eq!(servers, [(id, (10, 41))]);

    let faulty = BASE
        .replace("wave: orders", "wave: Orders")
        .replace("lasts: 4h", "lasts: long")
        .replace("{ hostname: db01 }", "db01, { id: s-12 }");
    let named_all_the_same = named(&faulty);
    assert_eq!(named_all_the_same.wave, None);
    let servers = named_all_the_same.servers.iter();
    let servers: Vec<_> = servers.map(|(id, at)| (id.as_str(), *at)).collect();
    assert_eq!(servers, [(id, (10, 41))]);

    assert_eq!(named("wave: [orders"), Named::default());
    let many: String = (0..4_000)
        .map(|number| format!("{{ id: s-{number:017} }}, "))
        .collect();
    let many = format!("applications: [{{ servers: [{many}] }}]");
    assert_eq!(named(&many).servers.len(), MOST_SERVERS);
}
