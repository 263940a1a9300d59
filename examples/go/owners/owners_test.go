package owners

import (
	"testing"

	"shoal.dev/gen/shoal/v1"
)

var key = []byte("product:42") // slot 12456: partition 3 of 4

func told(revision, epoch uint64, primary string) *shoalv1.Topology {
	return &shoalv1.Topology{
		Revision: revision, Complete: true, PartitionCount: 4,
		Nodes:      []*shoalv1.Node{{Id: "a", Address: "a:1"}, {Id: "b", Address: "b:1"}},
		Partitions: []*shoalv1.Partition{{Id: 3, Epoch: epoch, Primary: primary}},
	}
}

func moved(epoch string) map[string]string {
	return map[string]string{"partition": "3", "epoch": epoch, "owner": "c", "address": "c:1"}
}

func expect(t *testing.T, owners *Owners, address string) {
	t.Helper()
	if got := owners.Of(key); got != address {
		t.Errorf("%q owns the key, not %q", got, address)
	}
}

func TestNobodyIsKnownBeforeACompleteUpdate(t *testing.T) {
	owners := &Owners{}
	change := told(5, 1, "a")
	change.Complete = false
	if owners.Update(change) {
		t.Error("a change was taken with nothing to change")
	}
	expect(t, owners, "")
	owners.Update(told(5, 1, "a"))
	expect(t, owners, "a:1")
}

func TestAnOlderRevisionChangesNothing(t *testing.T) {
	owners := &Owners{}
	owners.Update(told(5, 1, "a"))
	if owners.Update(told(4, 2, "b")) || owners.Update(told(5, 2, "b")) {
		t.Error("what is not newer was taken")
	}
	expect(t, owners, "a:1")
}

func TestALowerEpochChangesNothing(t *testing.T) {
	owners := &Owners{}
	owners.Update(told(5, 2, "a"))
	owners.Update(told(6, 1, "b"))
	expect(t, owners, "a:1")
	owners.Update(told(7, 2, ""))
	expect(t, owners, "")
}

func TestWhoIsGoneOwnsNothing(t *testing.T) {
	owners := &Owners{}
	owners.Update(told(5, 1, "a"))
	owners.Update(&shoalv1.Topology{Revision: 6, RemovedNodes: []string{"a"}})
	expect(t, owners, "")
}

func TestMovedRunsAheadOfUpdates(t *testing.T) {
	owners := &Owners{}
	owners.Update(told(5, 2, "a"))
	owners.Moved(moved("2"))
	expect(t, owners, "a:1")
	owners.Moved(moved("3"))
	expect(t, owners, "c:1")
	owners.Update(told(6, 2, "a"))
	expect(t, owners, "c:1")
	owners.Update(told(7, 3, "b"))
	expect(t, owners, "b:1")
}

func TestMovedThatIsMalformedChangesNothing(t *testing.T) {
	owners := &Owners{}
	owners.Moved(moved("9"))
	owners.Update(told(5, 2, "a"))
	owners.Moved(map[string]string{"partition": "4", "epoch": "9", "address": "c:1"})
	owners.Moved(map[string]string{"partition": "3", "address": "c:1"})
	expect(t, owners, "a:1")
}
