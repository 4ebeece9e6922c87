use super::*;

#[test]
fn an_idle_session_is_small() {
    let counters = size_of::<counters::Counters>();
    let total = size_of::<Observer>() + 2 * counters + size_of::<control::Pings>();
    eprintln!("{} {counters} {}", size_of::<Observer>(), size_of::<control::Pings>());
    assert!(total < 1024, "{total}");
}
