*** Settings ***
Documentation    The Citus cluster is laid out as the schema wants it: so says every node, not the coordinator alone.

Resource         ../../resources/citus.resource

Test Teardown    What The Criterion Wrote Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
Every node has the same Citus extension and has loaded its library
    [Tags]    CT-01
    ${versions} =    When Citus Versions Of Every Node Are Read
    Then Every Node Should Have Citus    ${versions}
    And All Citus Versions Should Be Equal    ${versions}

All workers are active and every node reaches every other
    [Tags]    CT-02
    ${active} =    When Active Workers Are Listed
    Then Active Workers Should Be Those Of The Environment    ${active}
    ${checks} =    When Every Node Tries To Reach Every Node
    Then Every Node Should Have Reached Every Node    ${checks}

Memory entries and patterns are distributed by namespace
    [Tags]    CT-03
    ${known} =    When Every Node Is Asked For Its Tables
    Then Table Should Be Distributed    memory_entries    column=namespace    known=${known}
    And Table Should Be Distributed    patterns    column=namespace    known=${known}

Metadata and sessions are reference tables
    [Tags]    CT-04
    ${known} =    When Every Node Is Asked For Its Tables
    Then Table Should Be A Reference Table    metadata    known=${known}
    And Table Should Be A Reference Table    sessions    known=${known}

Distributed tables have 32 shards that cover all hashes
    [Tags]    CT-05
    ${shards} =    When Shards Are Listed
    Then Table Should Have Shards    memory_entries    number=32    shards=${shards}
    And Shards Should Cover All Hashes    memory_entries    shards=${shards}
    And Table Should Have Shards    patterns    number=32    shards=${shards}
    And Shards Should Cover All Hashes    patterns    shards=${shards}
    And Table Should Have Shards    metadata    number=1    shards=${shards}

A reference row is the same on every node after an insert and after an update
    [Tags]    CT-11
    ${key} =    When A Reference Row Is Inserted    first
    Then Every Copy Of The Row Should Have    first    key=${key}
    When The Reference Row Is Updated    second    key=${key}
    Then Every Copy Of The Row Should Have    second    key=${key}

Shards are spread evenly over the workers and are really there
    [Tags]    CT-13
    ${placements} =    When Placements Are Listed
    Then Shards Should Be Spread Evenly    memory_entries    placements=${placements}
    And Shards Should Be Spread Evenly    patterns    placements=${placements}
    And Table Should Be On Every Node    metadata    placements=${placements}
    And Table Should Be On Every Node    sessions    placements=${placements}
    And Placements Should Exist On Their Nodes    ${placements}

The sizes of the shards on the workers add up to the size of the table
    [Tags]    CT-14
    ${places} =    Given Every Shard Is Filled    shards=32    value_bytes=100000
    ${size} =    When Table And Shards Are Measured    memory_entries
    Then Shard Sizes Should Add Up    ${size}
    And Every Shard Should Hold    ${size}    places=${places}    value_bytes=100000
