*** Settings ***
Documentation    What a client commits is stored, found, replicated and kept apart; what it rolls back is not there.

Resource         ../../resources/database.resource

Test Teardown    Everything The Test Made Is Removed

Test Tags        phase:integration    system:cluster


*** Test Cases ***
An inserted memory entry reads back unchanged in another session
    [Tags]    CL-06
    ${entry} =    When A Memory Entry Is Inserted
    Then Entry Should Read Back Unchanged    ${entry}
    And Namespace Should Hold    ${entry.namespace}    1

A bulk load of 1 000 rows takes less than 10 seconds and is on every replica within 5 seconds
    [Tags]    CL-07
    ${load} =    When Entries Are Loaded In Bulk    number=1000
    Then Bulk Load Should Have Taken Less Than    ${load}    10 seconds
    And Bulk Load Should Be Stored    ${load}
    And Bulk Load Should Reach Every Replica    ${load}    within=5 seconds

A search by HNSW in 10 000 vectors finds at least 95 % of the 10 nearest
    [Tags]    CL-08
    Given A Vector Collection Is Loaded    10000
    ${searches} =    When The Collection Is Searched    queries=100    neighbours=10
    Then Every Search Should Use The Vector Index    ${searches}
    And Every Answer Should Be Complete And In Order    ${searches}
    And Recall Should Be At Least    ${searches}    0.95

A role bound to one namespace neither reads nor writes another
    [Tags]    CL-09
    ${first} =    Given An Entry And A Role Bound To Its Namespace    first
    ${second} =    Given An Entry And A Role Bound To Its Namespace    second
    Then Tenant Should Read Only Its Own    ${first}    ${second}
    And Tenant Should Read Only Its Own    ${second}    ${first}
    And Tenant Should Write Only Its Own    ${first}    ${second}
    And Tenant Should Write Only Its Own    ${second}    ${first}

A rolled-back insert leaves nothing
    [Tags]    CL-10
    ${namespace} =    Given A New Namespace
    When An Entry Is Inserted In An Open Transaction    ${namespace}
    Then Session Should See Entries    writer    ${namespace}    1
    When The Transaction Ends With    ROLLBACK
    Then Session Should See Entries    writer    ${namespace}    0
    And Session Should See Entries    reader    ${namespace}    0

A committed insert is seen by another session at once and by every replica within 5 seconds
    [Tags]    CL-11
    ${namespace} =    Given A New Namespace
    When An Entry Is Inserted In An Open Transaction    ${namespace}
    Then Session Should See Entries    reader    ${namespace}    0
    When The Transaction Ends With    COMMIT
    Then Session Should See Entries    reader    ${namespace}    1
    And Every Replica Should See    ${namespace}    1    within=5 seconds

All 10 concurrent writers succeed and none loses an update
    [Tags]    CL-12
    ${namespace} =    Given A New Namespace
    ${counter} =    Given A New Counter
    ${work} =    When Writers Write    ${namespace}    ${counter}    writers=10    writes=20
    Then All Work Should Be Done    ${work}
    And Acknowledged Writes Should Be Stored Once    ${work}    ${namespace}
    And Counter Should Be    ${counter}    200
