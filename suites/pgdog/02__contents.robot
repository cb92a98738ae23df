*** Settings ***
Documentation    What the mirror holds: just what took effect on the primary, whole, once, in order. Counters alone
...              cannot tell whether it is safe to cut over; a difference that none announces is the worst there is.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:integration    system:pgdog


*** Test Cases ***
Nothing of an open or rolled-back transaction is on the mirror, and each client's order is kept
    [Tags]    PG-09
    ${proxy} =    Given A Proxy Mirrors
    ${open} =    When A Transaction Is Left Open    ${proxy}    rows=3
    Then Mirror Should Hold Nothing Of It For    ${open}    1 second
    When It Is Committed    ${open}
    And Clients Commit And Roll Back In Turns    ${proxy}    clients=4    transactions=100
    Then Mirror Should Hold What Was Acknowledged    ${proxy}    within=20 seconds

Prepared statements, COPY and several statements at once are mirrored, and who vanishes leaves nothing behind
    [Tags]    PG-10    robot:continue-on-failure
    ${proxy} =    Given A Proxy Mirrors
    When Rows Are Written By    ${proxy}    prepared statements    pipelined statements    several statements at once
    And Rows Are Written By    ${proxy}    COPY    asyncpg    psql    a statement of 1 MB
    ...    prepared statements after the mirror ended its sessions
    And Clients Vanish In A Transaction    ${proxy}    30 clients
    Then Mirror Should Hold What Primary Holds    ${proxy}    within=20 seconds
    And Proxy Should Have Let Go Of Its Sessions    ${proxy}    within=10 seconds

After every scenario the contents are equal, or the difference is announced by the counters
    [Documentation]    A difference that no counter announces is silent divergence, and is shown with its first row.
    [Tags]    PG-18    robot:continue-on-failure
    When Contents Are Equal Or Announced After    inserts, updates and deletes
    And Contents Are Equal Or Announced After    transactions under exposure 0.5
    And Contents Are Equal Or Announced After    statements that fail on the mirror only
    And Contents Are Equal Or Announced After    two clients on the same rows    clients with settings of their own
    And Contents Are Equal Or Announced After    an overflow
    Then Contents Are Equal Or Announced After    the mirror going away and coming back

What had no effect on the primary has none on the mirror, and what had is whole
    [Tags]    PG-19    robot:continue-on-failure
    ${proxy} =    Given A Proxy Mirrors
    When Client Asks    ${proxy}    120 queries
    And Statements Fail On Primary    ${proxy}    a duplicate key    a division by zero    several statements at once
    ...    a cancelled statement    a lock timeout    a serialization failure    a batch with an error
    And Transactions Go On After A Savepoint    ${proxy}
    Then Mirror Should Hold What Primary Holds    ${proxy}    within=20 seconds
    And Mirror Should Be Safe To Cut Over To    ${proxy}
