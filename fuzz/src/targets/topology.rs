//! The topology that the agent installs: taken whole or refused whole, and what is
//! taken is what a plain reading of the message says.

use prost::Message;
use shoal_protos::v1;
use shoal_server::topology::{BadTopology, Topology};

const PARTITIONS: u32 = 4;

pub(super) fn run(input: &[u8]) {
    let known = Topology::new(PARTITIONS);
    let answer = known.install(input);
    let Ok(told) = v1::Topology::decode(input) else {
        assert_eq!(answer, Err(BadTopology::Malformed));
        return nothing_is_known(&known);
    };
    let beyond = told
        .partitions
        .iter()
        .find(|partition| partition.id >= PARTITIONS);
    let expected = if !told.complete {
        Err(BadTopology::Incomplete)
    } else if told.partition_count != PARTITIONS {
        Err(BadTopology::PartitionCount {
            told: told.partition_count,
            own: PARTITIONS,
        })
    } else if let Some(beyond) = beyond {
        Err(BadTopology::NoSuchPartition(beyond.id))
    } else {
        Ok(told.revision > 0)
    };
    assert_eq!(answer, expected);
    if answer != Ok(true) {
        return nothing_is_known(&known);
    }
    for id in 0..PARTITIONS {
        // Of two statements about one partition, or one node, the last one counts.
        let stated = told.partitions.iter().rfind(|partition| partition.id == id);
        let expected = stated.and_then(|partition| {
            let node = told
                .nodes
                .iter()
                .rfind(|node| node.id == partition.primary)?;
            Some((node.address.clone(), partition.epoch))
        });
        let owner = known
            .owner(id)
            .map(|owner| (owner.node.address.clone(), owner.epoch));
        assert_eq!(owner, expected);
    }
    let current = known.current();
    assert_eq!(current.number, told.revision);
    let update = v1::WatchTopologyResponse::decode(current.update.clone()).unwrap();
    assert_eq!(update.topology.as_ref(), Some(&told));
    assert_eq!(
        known.install(input),
        Ok(false),
        "it is not newer than itself"
    );
}

fn nothing_is_known(known: &Topology) {
    assert_eq!(known.current().number, 0);
    assert!((0..PARTITIONS).all(|id| known.owner(id).is_none()));
}
