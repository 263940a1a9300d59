------------------------------- MODULE Promotion -------------------------------
\* One partition: replication, acknowledgement, changes of the in-sync set,
\* promotion, handoff, and loss of memory. What must hold whatever the timing.
\*
\* A copy is <<node, copy id>>; the id is new whenever the node's memory of the
\* partition starts from nothing. etcd holds one record:
\*   epoch    rises with every change of primary, and only then
\*   primary  the copy that may acknowledge
\*   isr      the in-sync set: copies that may become primary
\*   ver      the record's revision; every write to the record compares it
\*   by       <<node, epoch>> that gave the partition away, or Nobody
\*
\* Not modelled: leases, reads, the log's bound and snapshots (a replica's log
\* is cut where it diverges and filled record by record), the order among
\* candidates. Safety of acknowledged writes must not depend on any of them.
\*
\* Each constant of the second group takes one rule away when it is TRUE.
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS Nodes, MaxEpoch, MaxWrites, MaxRestarts, MaxVersion
CONSTANTS
    AckByAny,         \* one in-sync copy is enough to acknowledge
    CountNodes,       \* the in-sync set holds nodes, whatever memory they have
    IgnorePending,    \* an in-sync change on its way to etcd does not count
    ObeyOldEpochs,    \* a replica follows a primary of an epoch it knows is over
    PromoteOutsiders, \* a copy outside the in-sync set may become primary
    HandOffUnfrozen,  \* the source goes on taking writes while it hands off
    HandOffEarly,     \* the target need not have everything
    UnfreezeBlindly   \* the source takes writes again before it knows the outcome

VARIABLES
    rec,     \* the record in etcd
    copy,    \* node -> its copy id
    log,     \* node -> sequence of [e |-> epoch, id |-> write]
    lead,    \* node -> epoch in which it takes itself for primary, or 0
    seen,    \* node -> highest epoch that it obeys
    isrV,    \* node -> the in-sync set as its last answer from etcd had it
    ver,     \* node -> the record's revision, likewise
    pend,    \* node -> its in-sync change under way
    match,   \* node -> node -> what the other one acknowledged to it
    hand,    \* node -> its handoff under way: st in none, frozen, sent, ok, no
    inSync,  \* writes acknowledged IN_SYNC
    taken,   \* writes acknowledged PRIMARY, which is as soon as they are applied
    nW, nR   \* writes and restarts so far

vars == <<rec, copy, log, lead, seen, isrV, ver, pend, match, hand, inSync, taken, nW, nR>>

Nobody   == <<"nobody", 0>>
NoChange == [isr |-> {}, ver |-> 0, st |-> "none"]
NoHand   == [to |-> Nobody, st |-> "none"]
NoMatch  == [copy |-> 99, len |-> 0]

Range(s)  == {s[i] : i \in 1..Len(s)}
Min(a, b) == IF a < b THEN a ELSE b
\* Length of the longest common prefix.
Common(a, b) ==
    LET K == {k \in 0..Min(Len(a), Len(b)) : \A i \in 1..k : a[i] = b[i]}
    IN  CHOOSE k \in K : \A j \in K : j <= k
Symmetric == Permutations(Nodes)

Init == \E first \in Nodes :
    /\ rec = [epoch |-> 1, primary |-> <<first, 0>>, isr |-> {<<n, 0>> : n \in Nodes},
              ver |-> 1, by |-> Nobody]
    /\ copy = [n \in Nodes |-> 0]
    /\ log = [n \in Nodes |-> <<>>]
    /\ lead = [n \in Nodes |-> IF n = first THEN 1 ELSE 0]
    /\ seen = [n \in Nodes |-> 1]
    /\ isrV = [n \in Nodes |-> IF n = first THEN rec.isr ELSE {}]
    /\ ver = [n \in Nodes |-> IF n = first THEN 1 ELSE 0]
    /\ pend = [n \in Nodes |-> NoChange]
    /\ match = [n \in Nodes |-> [m \in Nodes |-> NoMatch]]
    /\ hand = [n \in Nodes |-> NoHand]
    /\ inSync = {} /\ taken = {} /\ nW = 0 /\ nR = 0

-----------------------------------------------------------------------------
\* Writes, and their way to the other copies.

TakesWrites(p) == lead[p] # 0 /\ (hand[p].st = "none" \/ HandOffUnfrozen)

Write(p) ==
    /\ TakesWrites(p) /\ nW < MaxWrites
    /\ LET w == [e |-> lead[p], id |-> nW + 1]
       IN  /\ log' = [log EXCEPT ![p] = Append(@, w)]
           /\ taken' = taken \cup {w}
    /\ nW' = nW + 1
    /\ UNCHANGED <<rec, copy, lead, seen, isrV, ver, pend, match, hand, inSync, nR>>

Replicate(p, r) ==
    /\ p # r /\ lead[p] # 0 /\ lead[r] < lead[p]
    /\ (ObeyOldEpochs \/ lead[p] >= seen[r])
    /\ LET c == Common(log[p], log[r])
           new == IF Len(log[r]) > c THEN SubSeq(log[r], 1, c)
                  ELSE IF Len(log[p]) > c THEN Append(log[r], log[p][c + 1]) ELSE log[r]
       IN  /\ log' = [log EXCEPT ![r] = new]
           /\ match' = [match EXCEPT ![p][r] = [copy |-> copy[r], len |-> Len(new)]]
    /\ seen' = [seen EXCEPT ![r] = IF @ > lead[p] THEN @ ELSE lead[p]]
    /\ lead' = [lead EXCEPT ![r] = 0]
    /\ pend' = [pend EXCEPT ![r] = NoChange]
    /\ hand' = [hand EXCEPT ![r] = NoHand]
    /\ UNCHANGED <<rec, copy, isrV, ver, inSync, taken, nW, nR>>

Has(p, m, i) == match[p][m[1]].len >= i /\ (CountNodes \/ match[p][m[1]].copy = m[2])

\* The union rule: every copy of the known set and of the one that may become true.
Ack(p) ==
    /\ lead[p] # 0
    /\ \E i \in 1..Len(log[p]) :
        /\ log[p][i].e = lead[p] /\ log[p][i] \notin inSync
        /\ LET needed == {m \in isrV[p] \cup (IF IgnorePending THEN {} ELSE pend[p].isr) : m[1] # p}
           IN  IF AckByAny THEN needed = {} \/ \E m \in needed : Has(p, m, i)
                           ELSE \A m \in needed : Has(p, m, i)
        /\ inSync' = inSync \cup {log[p][i]}
    /\ UNCHANGED <<rec, copy, log, lead, seen, isrV, ver, pend, match, hand, taken, nW, nR>>

-----------------------------------------------------------------------------
\* The in-sync set: proposed, decided by etcd, learnt. One change at a time: a copy
\* leaves, or one that has caught up joins, also in the place of another.

CaughtUp(p, r) == match[p][r].copy = copy[r] /\ match[p][r].len = Len(log[p])
                  /\ Common(log[p], log[r]) = Len(log[p])

Propose(p) ==
    /\ lead[p] # 0 /\ pend[p].st = "none" /\ hand[p].st = "none"
    /\ LET Others == {m \in isrV[p] : m[1] # p}
           Comers == {<<r, copy[r]>> : r \in {x \in Nodes : x # p /\ CaughtUp(p, x)}}
       IN  \E S \in {isrV[p] \ {m} : m \in Others} \cup {isrV[p] \cup {m} : m \in Comers} \cup
                   {(isrV[p] \cup {m}) \ {o} : m \in Comers, o \in Others} :
           /\ S # isrV[p]
           /\ pend' = [pend EXCEPT ![p] = [isr |-> S, ver |-> ver[p], st |-> "sent"]]
    /\ UNCHANGED <<rec, copy, log, lead, seen, isrV, ver, match, hand, inSync, taken, nW, nR>>

Decide(p) ==
    /\ pend[p].st = "sent"
    /\ IF rec.epoch = lead[p] /\ rec.ver = pend[p].ver
       THEN /\ rec' = [rec EXCEPT !.isr = pend[p].isr, !.ver = @ + 1]
            /\ pend' = [pend EXCEPT ![p].st = "ok"]
       ELSE /\ pend' = [pend EXCEPT ![p].st = "no"] /\ UNCHANGED rec
    /\ UNCHANGED <<copy, log, lead, seen, isrV, ver, match, hand, inSync, taken, nW, nR>>

Learn(p) ==
    /\ pend[p].st \in {"ok", "no"}
    /\ IF pend[p].st = "ok"
       THEN /\ isrV' = [isrV EXCEPT ![p] = pend[p].isr]
            /\ ver' = [ver EXCEPT ![p] = @ + 1]
            /\ UNCHANGED <<lead, hand>>
       ELSE /\ lead' = [lead EXCEPT ![p] = 0]
            /\ hand' = [hand EXCEPT ![p] = NoHand]
            /\ UNCHANGED <<isrV, ver>>
    /\ pend' = [pend EXCEPT ![p] = NoChange]
    /\ UNCHANGED <<rec, copy, log, seen, match, inSync, taken, nW, nR>>

-----------------------------------------------------------------------------
\* Take over, one way: a copy of the in-sync set promotes itself.

Able(m) == CountNodes \/ m[2] = copy[m[1]]

Promote(r) ==
    /\ rec.epoch < MaxEpoch /\ lead[r] < rec.epoch
    /\ PromoteOutsiders \/ \E m \in rec.isr : m[1] = r /\ Able(m)
    /\ LET S == {m \in rec.isr : m[1] # r /\ lead[m[1]] # rec.epoch} \cup {<<r, copy[r]>>}
       IN  /\ rec' = [epoch |-> rec.epoch + 1, primary |-> <<r, copy[r]>>, isr |-> S,
                      ver |-> rec.ver + 1, by |-> Nobody]
           /\ isrV' = [isrV EXCEPT ![r] = S]
    /\ ver' = [ver EXCEPT ![r] = rec.ver + 1]
    /\ lead' = [lead EXCEPT ![r] = rec.epoch + 1]
    /\ seen' = [seen EXCEPT ![r] = rec.epoch + 1]
    /\ match' = [match EXCEPT ![r] = [m \in Nodes |-> NoMatch]]
    /\ pend' = [pend EXCEPT ![r] = NoChange]
    /\ hand' = [hand EXCEPT ![r] = NoHand]
    /\ UNCHANGED <<copy, log, inSync, taken, nW, nR>>

\* The other way: the primary hands over. Freeze, wait for the target, swap, read back.
Freeze(p) ==
    /\ lead[p] # 0 /\ hand[p].st = "none" /\ pend[p].st = "none"
    /\ \E m \in isrV[p] : m[1] # p /\ hand' = [hand EXCEPT ![p] = [to |-> m, st |-> "frozen"]]
    /\ UNCHANGED <<rec, copy, log, lead, seen, isrV, ver, pend, match, inSync, taken, nW, nR>>

\* The transaction goes out. Whether the target has everything is judged here.
SendHandOff(p) ==
    /\ lead[p] # 0 /\ hand[p].st = "frozen"
    /\ HandOffEarly \/ Has(p, hand[p].to, Len(log[p]))
    /\ hand' = [hand EXCEPT ![p].st = "sent"]
    /\ UNCHANGED <<rec, copy, log, lead, seen, isrV, ver, pend, match, inSync, taken, nW, nR>>

\* etcd decides; the answer may never arrive. The source leaves the in-sync set by it where
\* it stops, or where nobody wants its copy.
DecideHandOff(p) ==
    /\ hand[p].st = "sent"
    /\ IF rec.epoch = lead[p] /\ rec.ver = ver[p]
       THEN /\ rec.epoch < MaxEpoch
            /\ \E S \in {rec.isr, rec.isr \ {<<p, copy[p]>>}} :
                rec' = [rec EXCEPT !.epoch = @ + 1, !.primary = hand[p].to, !.ver = @ + 1,
                                   !.isr = S, !.by = <<p, lead[p]>>]
            /\ hand' = [hand EXCEPT ![p].st = "ok"]
       ELSE /\ hand' = [hand EXCEPT ![p].st = "no"] /\ UNCHANGED rec
    /\ UNCHANGED <<copy, log, lead, seen, isrV, ver, pend, match, inSync, taken, nW, nR>>

\* The source reads the record back: in either case it is primary no longer.
LearnHandOff(p) ==
    /\ hand[p].st \in {"ok", "no"}
    /\ lead' = [lead EXCEPT ![p] = 0]
    /\ hand' = [hand EXCEPT ![p] = NoHand]
    /\ UNCHANGED <<rec, copy, log, seen, isrV, ver, pend, match, inSync, taken, nW, nR>>

\* Giving up before the transaction went out is free. After it, only blindly.
Unfreeze(p) ==
    /\ hand[p].st = "frozen" \/ (UnfreezeBlindly /\ hand[p].st \in {"sent", "ok", "no"})
    /\ hand' = [hand EXCEPT ![p] = NoHand]
    /\ UNCHANGED <<rec, copy, log, lead, seen, isrV, ver, pend, match, inSync, taken, nW, nR>>

\* The target sees a record that names its copy.
Assume(r) ==
    /\ rec.primary = <<r, copy[r]>> /\ seen[r] <= rec.epoch /\ lead[r] < rec.epoch
    /\ rec.by # Nobody
    /\ lead' = [lead EXCEPT ![r] = rec.epoch]
    /\ seen' = [seen EXCEPT ![r] = rec.epoch]
    /\ isrV' = [isrV EXCEPT ![r] = rec.isr]
    /\ ver' = [ver EXCEPT ![r] = rec.ver]
    /\ match' = [match EXCEPT ![r] = [m \in Nodes |-> NoMatch]]
    /\ pend' = [pend EXCEPT ![r] = NoChange]
    /\ hand' = [hand EXCEPT ![r] = NoHand]
    /\ UNCHANGED <<rec, copy, log, inSync, taken, nW, nR>>

-----------------------------------------------------------------------------
\* A restart, or a discard before a full sync: memory is gone, the fence with it.
Wipe(n) ==
    /\ nR < MaxRestarts /\ nR' = nR + 1
    /\ copy' = [copy EXCEPT ![n] = @ + 1]
    /\ log' = [log EXCEPT ![n] = <<>>]
    /\ lead' = [lead EXCEPT ![n] = 0]
    /\ seen' = [seen EXCEPT ![n] = 0]
    /\ pend' = [pend EXCEPT ![n] = NoChange]
    /\ hand' = [hand EXCEPT ![n] = NoHand]
    /\ match' = [match EXCEPT ![n] = [m \in Nodes |-> NoMatch]]
    /\ UNCHANGED <<rec, isrV, ver, inSync, taken, nW>>

Next == \E p \in Nodes :
    \/ Write(p) \/ Ack(p) \/ Propose(p) \/ Decide(p) \/ Learn(p) \/ Promote(p) \/ Wipe(p)
    \/ Freeze(p) \/ SendHandOff(p) \/ DecideHandOff(p) \/ LearnHandOff(p) \/ Unfreeze(p)
    \/ Assume(p)
    \/ \E r \in Nodes : Replicate(p, r)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
\* Every copy that etcd would let become primary holds every IN_SYNC write.
InSyncSurvives == \A m \in rec.isr : Able(m) => inSync \subseteq Range(log[m[1]])

\* A handoff loses nothing that its source acknowledged, at either level: until the
\* successor's memory is lost or the next change of primary, it has all of it.
HandOffLosesNothing ==
    rec.by # Nobody /\ copy[rec.primary[1]] = rec.primary[2]
    => \A w \in taken : w.e = rec.by[2] => w \in Range(log[rec.primary[1]])

Bound == rec.ver <= MaxVersion
=============================================================================
