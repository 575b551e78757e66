//! Claims on servers: one live wave at most.

use tidegate_ports::claims::Claims;

use super::fixtures::{server_id, wave_id};
use super::{AllPorts, ok};

/// The first wave gets the server, as often as it asks; another is told whose it is.
pub async fn a_server_belongs_to_one_wave(store: &impl AllPorts) {
    let (ours, theirs) = (wave_id("owner"), wave_id("owner-other"));
    let server = server_id("owner", 0);
    assert_eq!(ok(store.owner(&server).await, "find the owner"), None);
    for _ in 0..2 {
        assert_eq!(
            ok(Claims::claim(store, &server, &ours).await, "claim"),
            None
        );
        let owner = ok(Claims::claim(store, &server, &theirs).await, "claim");
        assert_eq!(owner, Some(ours.clone()));
    }
    assert_eq!(ok(store.owner(&server).await, "find the owner"), Some(ours));
}

/// A wave cannot give free what belongs to another.
pub async fn only_the_owner_gives_a_server_free(store: &impl AllPorts) {
    let (ours, theirs) = (wave_id("release"), wave_id("release-other"));
    let server = server_id("release", 0);
    assert_eq!(
        ok(Claims::claim(store, &server, &ours).await, "claim"),
        None
    );
    ok(store.release(&server, &theirs).await, "release");
    assert_eq!(
        ok(store.owner(&server).await, "find the owner"),
        Some(ours.clone())
    );
    for _ in 0..2 {
        ok(store.release(&server, &ours).await, "release");
        assert_eq!(ok(store.owner(&server).await, "find the owner"), None);
    }
    assert_eq!(
        ok(Claims::claim(store, &server, &theirs).await, "claim"),
        None
    );
}
