*** Settings ***
Documentation    Citus stores each row where its namespace belongs, runs a query on all shards that have its rows at the
...              same time, and ends a transaction in the same way on all workers.

Resource         ../../resources/citus.resource

Test Teardown    What The Criterion Wrote Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
A row is stored once, in the shard of its namespace, and is read there alone
    [Tags]    CT-06
    ${places} =    Given Namespaces On Every Worker    each=3
    ${written} =    When Memory Entries Are Inserted    6    places=${places}
    Then Rows Should Be Stored Once Where They Belong    ${written}    places=${places}
    And Reading A Namespace Should Ask Only Its Node    places=${places}

A join of colocated tables is one task with a p99 below 500 ms
    [Tags]    CT-07
    ${places} =    Given Namespaces On Every Worker    each=5
    And Entries And Patterns Are Inserted    10    places=${places}
    Then Tables Should Be Colocated    memory_entries    patterns
    And Joining A Namespace Should Be One Task    places=${places}
    ${joins} =    When Joins Are Measured    200/s    places=${places}    budget=500 ms    duration=${LOAD_DURATION}
    Then P99 Should Be Below    ${joins}    500 ms

One statement stores 100 rows of 10 namespaces on all workers
    [Tags]    CT-08
    ${places} =    Given Namespaces On Every Worker    each=5
    ${written} =    When Memory Entries Are Inserted    100    places=${places}
    Then Rows Should Be Stored Once Where They Belong    ${written}    places=${places}
    And Every Worker Should Hold Rows    ${places}

Rows are counted by namespace inside each of 32 shards
    [Tags]    CT-09
    ${places} =    Given A Namespace For Every Shard    shards=32
    When Memory Entries Are Inserted    320    places=${places}
    Then Rows Should Be Counted By Namespace    10    places=${places}
    And Every Shard Should Count By Namespace    places=${places}    shards=32

A search in 10 000 vectors uses all shards' indexes, finds 95 % of the 10 nearest and has a p99 below 100 ms
    [Tags]    CT-10
    ${searching} =    Given Vectors In Every Shard    10000    shards=32
    ${evidence} =    When All Shards Are Searched    ${searching}
    Then Every Shard Should Have Heard The Settings And Used Its Index    evidence=${evidence}
    And Recall Over All Shards Should Be At Least    0.95    evidence=${evidence}
    ${searches} =    When Searches Are Measured
    ...    ${searching}
    ...    rate=20/s
    ...    budget=100 ms
    ...    duration=${LOAD_DURATION}
    Then P99 Should Be Below    ${searches}    100 ms

A join with a reference table runs inside each task
    [Tags]    CT-12
    ${places} =    Given A Namespace For Every Shard    shards=32
    ${key} =    And A Reference Row Is Inserted    referenced
    When Memory Entries Name    ${key}    places=${places}
    Then Join Should Find For Every Namespace    referenced    places=${places}
    And Every Task Should Join With Its Own Copy    places=${places}    shards=32

A transaction that writes on two workers commits in two phases
    [Tags]    CT-15
    ${places} =    Given Namespaces On Every Worker    each=1
    ${commit} =    When A Row In Each Namespace Is Committed    ${places}
    Then Workers Should Have Prepared Before Any Committed    commit=${commit}    places=${places}
    And Rows Should Be Stored Once Where They Belong    ${commit.written}    places=${places}
    And No Prepared Transaction Should Be Left
    And Committing On One Worker Should Need One Phase    places=${places}

A transaction that is rolled back or refused leaves nothing on any worker
    [Tags]    CT-16
    ${places} =    Given Namespaces On Every Worker    each=1
    ${rollback} =    When A Row In Each Namespace Is Rolled Back    ${places}
    Then Other Session Should Have Seen Nothing    ${rollback}    rows=2
    And No Node Should Hold Anything    places=${places}
    And A Duplicate On One Worker Should Undo The Row On The Other    places=${places}    sqlstate=23505

A query with 10 s of work runs on 32 shards in parallel and takes less than 1 s
    [Tags]    CT-17
    ${places} =    Given A Namespace For Every Shard    shards=32
    And Memory Entries Are Inserted    1000    places=${places}
    Then Shards Should Be Worked On At Once    at_least=16    places=${places}    rows=1000
    ${queries} =    When Parallel Queries Are Measured    8    places=${places}    rows=1000    budget=1 s
    Then P99 Should Be Below    ${queries}    1 s
