// Package owners holds what a client that routes for itself knows: who owns which partition. It
// is merged out of WatchTopology's updates and out of MOVED answers, which may run ahead of them.
// It does no I/O.
package owners

import (
	"slices"
	"strconv"
	"sync"

	"shoal.dev/gen/shoal/v1"
	"shoal.dev/slots"
)

// Owners is safe for concurrent use. The zero value knows nobody.
//
// The revision never falls: an older update changes nothing. A partition's epoch never falls: of
// two statements the one with the higher epoch is right, of equal epochs the later one.
type Owners struct {
	mutex      sync.RWMutex
	revision   uint64
	addresses  map[string]string // by node id
	partitions []partition
}

type partition struct {
	epoch   uint64
	primary string
	// movedTo is where a MOVED answer sent, until an update tells of the same epoch.
	movedTo string
}

// Update merges what WatchTopology tells, and says whether that was news.
func (o *Owners) Update(told *shoalv1.Topology) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if told.GetRevision() <= o.revision || o.revision == 0 && !told.GetComplete() {
		return false
	}
	if told.GetComplete() {
		o.addresses = map[string]string{}
	}
	if o.partitions == nil {
		o.partitions = make([]partition, told.GetPartitionCount())
	}
	o.revision = told.GetRevision()
	for _, gone := range told.GetRemovedNodes() {
		delete(o.addresses, gone)
	}
	for _, node := range told.GetNodes() {
		o.addresses[node.GetId()] = node.GetAddress()
	}
	for _, it := range told.GetPartitions() {
		known := int(it.GetId()) < len(o.partitions)
		if known && it.GetEpoch() >= o.partitions[it.GetId()].epoch {
			o.partitions[it.GetId()] = partition{epoch: it.GetEpoch(), primary: it.GetPrimary()}
		}
	}
	return true
}

// Moved merges the metadata of a MOVED answer.
func (o *Owners) Moved(metadata map[string]string) {
	id, noID := strconv.ParseUint(metadata["partition"], 10, 32)
	epoch, noEpoch := strconv.ParseUint(metadata["epoch"], 10, 64)
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if noID != nil || noEpoch != nil || id >= uint64(len(o.partitions)) || epoch <= o.partitions[id].epoch {
		return
	}
	o.partitions[id] = partition{epoch, metadata["owner"], metadata["address"]}
}

// Of returns the address of a key's owner, or "" where none is known.
func (o *Owners) Of(key []byte) string {
	o.mutex.RLock()
	defer o.mutex.RUnlock()
	if len(o.partitions) == 0 {
		return ""
	}
	owner := o.partitions[slots.Partition(slots.Of(key), uint32(len(o.partitions)))]
	if owner.movedTo != "" {
		return owner.movedTo
	}
	return o.addresses[owner.primary]
}

// Revision of the last update that was merged, for WatchTopologyRequest.known_revision.
func (o *Owners) Revision() uint64 {
	o.mutex.RLock()
	defer o.mutex.RUnlock()
	return o.revision
}

// Nodes returns the addresses of all live nodes, sorted.
func (o *Owners) Nodes() []string {
	o.mutex.RLock()
	defer o.mutex.RUnlock()
	var addresses []string
	for _, address := range o.addresses {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	return addresses
}
