use proptest::prelude::*;

use super::*;

fn keys() -> impl Strategy<Value = Key> {
    let signal = "[a-z0-9-]{1,32}".prop_filter_map("a signal", |text| SignalId::parse(&text));
    let tenant = "[A-Za-z0-9!_*'()-]{1,150}".prop_filter_map("a tenant", |text| TenantId::parse(&text).ok());
    let ulid = any::<u128>().prop_map(Ulid::from);
    prop_oneof![
        Just(Key::Marker),
        Just(Key::Rebuilding),
        "[a-z0-9.-]{1,40}".prop_map(Key::Member),
        (tenant.clone(), signal.clone(), ulid.clone(), "[a-z0-9]{1,9}(/[a-z0-9.]{1,9}){0,3}")
            .prop_map(|(tenant, signal, id, path)| Key::Upload { tenant, signal, id, path }),
        (tenant.clone(), ulid.clone()).prop_map(|(tenant, id)| Key::Imported { tenant, id }),
        (tenant, signal.clone(), ulid.clone(), proptest::sample::select(BlockFile::ALL.to_vec()))
            .prop_map(|(tenant, signal, id, file)| Key::Block { tenant, signal, id: BlockId(id), file }),
        (signal.clone(), "[a-z0-9]{1,9}(/[a-z0-9.]{1,9}){0,3}").prop_map(|(signal, path)| Key::Shared { signal, path }),
        (signal, ulid.clone()).prop_map(|(signal, id)| Key::Packed { signal, id }),
        ulid.prop_map(Key::Inbox),
        any::<u64>().prop_map(Key::Log),
        (any::<u64>(), any::<u8>()).prop_map(|(number, part)| Key::Part { number, part }),
        any::<u64>().prop_map(Key::Root),
        any::<u64>().prop_map(Key::Deletes),
        "[a-z0-9-]{1,40}".prop_map(Key::Probe),
    ]
}

proptest! {
    #[test]
    fn a_key_is_read_back(key in keys()) {
        prop_assert_eq!(parse(&key.to_string()), Some(key));
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "(tenants|packed|shared|uploads|import|catalog/log|ring|catalog/part)(/[a-zA-Z0-9.]{1,26}){1,4}") {
        if let Some(key) = parse(&text) {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}

#[test]
fn foreign_keys_are_not_ours() {
    for key in [
        "",
        "quartet.json/",
        "tenants/a/metrics/01ARZ3NDEKTSV4RRFFQ69G5FAV/chunks/000001",
        "tenants/a/metrics/01arz3ndektsv4rrffq69g5fav/data.parquet",
        "tenants/../metrics/01ARZ3NDEKTSV4RRFFQ69G5FAV/index",
        "tenants/a/METRICS/01ARZ3NDEKTSV4RRFFQ69G5FAV/index",
        "catalog/log/7",
        "catalog/log/+0000000000000000007",
        "catalog/log/000000000000000000007",
        "catalog/part/00000000000000000001/256",
        "catalog/root/00000000000000000001.tmp",
        "ring/.json",
        "shared/metrics",
        "shared/metrics//a",
        "uploads/a/metrics/01ARZ3NDEKTSV4RRFFQ69G5FAV/",
        "uploads/a/metrics/01arz3ndektsv4rrffq69g5fav/about",
        "import/a/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ] {
        assert_eq!(parse(key), None, "{key}");
    }
}

#[test]
fn numbers_sort_as_keys() {
    assert!(log(9) < log(10));
    assert!(log(u64::from(u32::MAX)) < log(u64::MAX));
    assert_eq!(part(7, 3), "catalog/part/00000000000000000007/003");
}

#[test]
fn parts_are_those_of_the_first_release() {
    let part = |tenant: &str| part_of(&TenantId::parse(tenant).unwrap());
    assert_eq!((part("anonymous"), part("a"), part("team-1")), (212, 91, 117));
}
