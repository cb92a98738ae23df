*** Settings ***
Documentation    What is mirrored, and what is counted of it: each attempt has one outcome, each error its kind, each
...              database and user numbers of its own.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:integration    system:pgdog


*** Test Cases ***
All of 100 queries are mirrored, within 5 seconds counted as such and seen to have run on the mirror
    [Tags]    PG-01
    ${proxy} =    Given A Proxy Mirrors
    When Client Asks    ${proxy}    50 queries
    And Client Writes    ${proxy}    50 rows
    Then Counters Should Show    ${proxy}    attempted=100    mirrored=100    within=5 seconds
    And Mirror Should Have Run    ${proxy}    queries=50    rows=50

Every attempt has exactly one outcome, whatever becomes of it
    [Documentation]    The client's own account of its transactions is the measure: total = mirrored + dropped + errors.
    [Tags]    PG-02    robot:continue-on-failure
    When Every Attempt Of Scenario Has One Outcome    all goes well
    And Every Attempt Of Scenario Has One Outcome    half is sampled
    And Every Attempt Of Scenario Has One Outcome    statements fail on the mirror
    And Every Attempt Of Scenario Has One Outcome    the queue overflows
    And Every Attempt Of Scenario Has One Outcome    the mirror is unreachable
    Then Every Attempt Of Scenario Has One Outcome    work is rolled back

An unreachable mirror counts connection errors and mirrors nothing, and the primary answers as before
    [Tags]    PG-03
    ${proxy} =    Given A Proxy Mirrors    mirror=unreachable
    When Client Writes    ${proxy}    30 rows
    Then Counters Should Show    ${proxy}    attempted=30    mirrored=0    failed=30    within=20 seconds
    And Answers Should Have Been Right    ${proxy}
    And Clients Should Not Have Waited    ${proxy}    longest=200 ms

Connection, query, timeout and buffer-full errors are each counted once, as what they are
    [Tags]    PG-04    robot:continue-on-failure
    When One Transaction Meets    a mirror that cannot be reached    counted_as=connection
    And One Transaction Meets    a table that the mirror does not have    counted_as=query
    And One Transaction Meets    a row that the mirror has already    counted_as=query
    And One Transaction Meets    a statement too slow on the mirror    counted_as=timeout
    Then One Transaction Meets    a full queue    counted_as=buffer_full

With one connection, a queue of 2 and a slow mirror the rest overflows, nobody waits and memory grows by 64 MB at most
    [Documentation]    The seed spreads 50 queries over a pool; queues are per connection, so none of them may overflow.
    [Tags]    PG-05
    ${proxy} =    Given A Proxy Mirrors    queue=2
    When Client Writes Large Rows To A Slow Mirror    ${proxy}    50 rows    of=1 MB
    Then Counters Should Show At Least    ${proxy}    overflow=40    within=30 seconds
    And Clients Should Not Have Waited    ${proxy}    longest=500 ms
    And Proxy Should Not Have Grown By More Than    ${proxy}    64 MB
    And Every Attempt Should Have One Outcome    ${proxy}

Average and maximum latency of statements of 100 ms are right within 10 %
    [Documentation]    One of 300 ms and fast ones come afterwards, so that a last value is not taken for the maximum.
    [Tags]    PG-06
    ${proxy} =    Given A Proxy Mirrors
    When Client Sleeps In The Database    ${proxy}    10 times    100 ms
    Then Average Latency Should Be    ${proxy}    100 ms    tolerance=10 %
    When Client Sleeps In The Database    ${proxy}    1 time    300 ms
    And Client Sleeps In The Database    ${proxy}    10 times    10 ms
    Then Maximum Latency Should Be    ${proxy}    300 ms    tolerance=10 %

The numbers of two databases and of two users are kept apart
    [Tags]    PG-07
    ${proxy} =    Given A Proxy Mirrors Two Databases
    When Client Asks    ${proxy}    50 queries    database=app    user=app
    And Client Asks    ${proxy}    30 queries    database=other    user=app
    And Client Asks    ${proxy}    20 queries    database=other    user=other
    Then Numbers By Database Should Be    ${proxy}    app=50    other=50    within=5 seconds
    And Numbers By User Should Be    ${proxy}    app=80    other=20    within=5 seconds

Exposure of 0, 0.5 and 1 mirrors none, half and all of 400 transactions, each whole or not at all
    [Documentation]    Half is what chance allows: 400 draws leave the bounds once in a million runs.
    [Tags]    PG-08    robot:continue-on-failure
    When Transactions Of Three Statements Are Mirrored    exposure=0    transactions=400
    And Transactions Of Three Statements Are Mirrored    exposure=0.5    transactions=400
    Then Transactions Of Three Statements Are Mirrored    exposure=1    transactions=400
