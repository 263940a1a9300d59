//! The golden cases from key to slot, which every implementation must pass.

use serde_json::Value;
use shoal_server::slot::slot_of;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn slots_are_those_of_the_golden_vectors() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../protos/vectors/slots.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let key = bytes(case["key_hex"].as_str().unwrap());
        assert_eq!(
            u64::from(slot_of(&key)),
            case["slot"].as_u64().unwrap(),
            "{case}"
        );
    }
}
