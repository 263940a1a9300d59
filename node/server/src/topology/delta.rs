//! What one revision of the topology says that the one before did not.

use std::collections::HashMap;

use shoal_protos::v1;

/// The change from one complete topology to a later one, as a watcher is told it who has
/// the first. None: it cannot be told as a change. Of two statements about one node or
/// partition in one topology, the last one counts.
pub(super) fn delta(before: &v1::Topology, after: &v1::Topology) -> Option<v1::Topology> {
    if before.cluster != after.cluster || before.partition_count != after.partition_count {
        return None;
    }
    let old_nodes = by(&before.nodes, |node| node.id.as_str());
    let new_nodes = by(&after.nodes, |node| node.id.as_str());
    let changed_nodes = after.nodes.iter().filter(|node| {
        let id = node.id.as_str();
        new_nodes[id] == *node && old_nodes.get(id) != Some(node)
    });
    let changed = changed_partitions(&before.partitions, &after.partitions)?;
    let gone = before.nodes.iter().map(|node| node.id.as_str());
    Some(v1::Topology {
        cluster: after.cluster.clone(),
        revision: after.revision,
        complete: false,
        partition_count: after.partition_count,
        nodes: changed_nodes.cloned().collect(),
        removed_nodes: gone
            .filter(|id| !new_nodes.contains_key(id))
            .map(str::to_owned)
            .collect(),
        partitions: changed.into_iter().cloned().collect(),
    })
}

/// None: one of them is gone.
fn changed_partitions<'a>(
    before: &[v1::Partition],
    after: &'a [v1::Partition],
) -> Option<Vec<&'a v1::Partition>> {
    if are_alike(before, after) {
        // As nearly always, and then nothing is looked up.
        let pairs = before.iter().zip(after);
        return Some(
            pairs
                .filter(|(old, new)| old != new)
                .map(|it| it.1)
                .collect(),
        );
    }
    let old = by(before, |partition| partition.id);
    let new = by(after, |partition| partition.id);
    if old.keys().any(|id| !new.contains_key(id)) {
        return None;
    }
    let changed = after.iter().filter(|partition| {
        let id = &partition.id;
        new[id] == *partition && old.get(id) != Some(partition)
    });
    Some(changed.collect())
}

/// Whether both name the same partitions, each once and in order.
fn are_alike(before: &[v1::Partition], after: &[v1::Partition]) -> bool {
    before.len() == after.len()
        && before.iter().zip(after).all(|(old, new)| old.id == new.id)
        && after.windows(2).all(|pair| pair[0].id < pair[1].id)
}

fn by<'a, K: Eq + std::hash::Hash, T>(all: &'a [T], key: impl Fn(&'a T) -> K) -> HashMap<K, &'a T> {
    all.iter().map(|each| (key(each), each)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What a watcher knows: nodes and partitions by their ids.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Known {
        revision: u64,
        nodes: BTreeMap<String, v1::Node>,
        partitions: BTreeMap<u32, v1::Partition>,
    }

    impl Known {
        fn told(&mut self, update: &v1::Topology) {
            if update.complete {
                *self = Known::default();
            }
            self.revision = update.revision;
            for gone in &update.removed_nodes {
                self.nodes.remove(gone);
            }
            for node in &update.nodes {
                self.nodes.insert(node.id.clone(), node.clone());
            }
            for partition in &update.partitions {
                self.partitions.insert(partition.id, partition.clone());
            }
        }
    }

    fn topologies() -> impl Strategy<Value = v1::Topology> {
        // Few of each, so that many are stated twice, and often as they were before.
        let nodes = prop::collection::vec(("[ab]", ("[xy]", 0_u32..2)), 0..4);
        let partitions = prop::collection::vec((0_u32..2, (0_u64..2, "[a]?")), 0..4);
        (nodes, partitions).prop_map(|(nodes, partitions)| v1::Topology {
            cluster: "default".into(),
            complete: true,
            partition_count: 4,
            nodes: nodes
                .into_iter()
                .map(|(id, (address, weight))| v1::Node {
                    id,
                    address,
                    weight,
                    ..Default::default()
                })
                .collect(),
            partitions: partitions
                .into_iter()
                .map(|(id, (epoch, primary))| v1::Partition {
                    id,
                    epoch,
                    primary,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        })
    }

    proptest! {
        #[test]
        fn who_has_the_first_and_hears_the_change_has_the_second(
            before in topologies(),
            mut after in topologies(),
        ) {
            after.revision = 7;
            let Some(change) = delta(&before, &after) else {
                let told: Vec<u32> = after.partitions.iter().map(|it| it.id).collect();
                prop_assert!(before.partitions.iter().any(|it| !told.contains(&it.id)));
                return Ok(());
            };
            let (mut by_change, mut at_once) = (Known::default(), Known::default());
            by_change.told(&before);
            by_change.told(&change);
            at_once.told(&after);
            prop_assert_eq!(by_change, at_once);
            for told in &change.partitions {
                let known = before.partitions.iter().rfind(|it| it.id == told.id);
                prop_assert_ne!(known, Some(told));
            }
        }
    }

    #[test]
    fn another_cluster_is_no_change() {
        let before = v1::Topology::default();
        let after = v1::Topology {
            cluster: "other".into(),
            ..Default::default()
        };
        assert_eq!(delta(&before, &after), None);
    }
}
