use super::World;
use serde_json::json;
use std::time::Instant;
#[test]
fn scratch_timing() {
    let mut world = World::ready(200);
    let servers = world.servers(200);
    let input = json!({"filters": {"sourceServerIDs": servers}});
    let s = &world.simulator;
    let t = |name: &str, f: &dyn Fn()| {
        let a = Instant::now();
        for _ in 0..20 {
            f();
        }
        eprintln!("{name} {:?} per 200", a.elapsed() / 20);
    };
    t("show", &|| {
        for x in s.servers().values() {
            std::hint::black_box(s.show_server(x));
        }
    });
    t("repl", &|| {
        for x in s.servers().values() {
            std::hint::black_box(s.show_replication(x));
        }
    });
    t("ts", &|| {
        for x in s.servers().values() {
            std::hint::black_box(crate::core::wire::timestamp(x.added, &s.config().guesses));
        }
    });
    t("drop", &|| {
        for x in s.servers().values() {
            let v = s.show_server(x);
            std::hint::black_box(v.to_string());
        }
    });
    t("validate", &|| {
        crate::core::validate::validate("DescribeSourceServersRequest", &input).expect("x");
    });
    t("collect", &|| {
        let v: Vec<_> = s.servers().values().map(|x| s.show_server(x)).collect();
        std::hint::black_box(v);
    });
    t("collect+json", &|| {
        let v: Vec<_> = s.servers().values().map(|x| s.show_server(x)).collect();
        std::hint::black_box(json!({"items": v}));
    });
    t("lag", &|| {
        for x in s.servers().values() {
            std::hint::black_box(s.lag(x));
        }
    });
    let now = world.now;
    let a = Instant::now();
    for _ in 0..20 {
        std::hint::black_box(
            world
                .simulator
                .call("DescribeSourceServers", &input, now)
                .expect("x"),
        );
    }
    eprintln!("call {:?} per 200", a.elapsed() / 20);
}
