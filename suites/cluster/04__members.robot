*** Settings ***
Documentation    Who leads, who follows, how far behind, and where HAProxy sends clients: from each member's own answer,
...              from the servers themselves and from HAProxy's statistics, never from one view alone.

Resource         ../../resources/cluster.resource

Test Teardown    Nothing Of The Test Is Left

Test Tags        phase:integration    system:cluster


*** Test Cases ***
Every member's REST API answers on its own address, according to its role
    [Tags]    HA-01
    Given A Cluster With A Leader
    Then Every Member Should Answer On Its Own Address
    And Health Checks Should Match Every Members Role

Exactly one member leads at all times, by each member's own word
    [Tags]    HA-02
    Given A Cluster With A Leader
    Then Exactly One Member Should Lead For    5 seconds
    And Every Members View Should Name The Same Leader

Two replicas are present
    [Tags]    HA-03
    Given A Cluster With A Leader
    Then Replicas Should Be Present    2
    And Every Replica Should Be In Recovery

Every member is running or streaming
    [Tags]    HA-04
    Given A Cluster With A Leader
    Then Every Member Should Be Running Or Streaming
    And Every Member Should Be On The Leaders Timeline

The primary port accepts writes and leads to the leader alone
    [Tags]    HA-05
    Given A Cluster With A Leader
    When Write Through The Primary Port
    Then New Connections Should Reach The Leader    connections=10

The replica port reads from every standby within 5 seconds and refuses writes
    [Tags]    HA-06
    Given A Cluster With A Leader
    ${row: int} =    When Write Through The Primary Port
    Then Row Should Be Read Through The Replica Port    ${row}    within=5 seconds
    And Every Connection To The Replica Port Should Reach A Standby    connections=12
    And Replica Port Should Refuse Writes

Every replica streams from the leader over its own slot
    [Tags]    HA-07
    Given A Cluster With A Leader
    Then Every Replica Should Stream From The Leader
    And Every Replicas Slot Should Be In Use

Replicas lag less than 5 seconds and 1 MiB behind the leader under write load
    [Tags]    HA-08
    Given A Healthy Cluster
    And Clients Write    rate=${WRITE_RATE}
    When Clients Read From Every Replica
    Then Replicas Should Stay Within    1 MiB    during=6 seconds
    And Clients Are Stopped And Their Rows Read
    And Every Replica Should Have Shown Rows Within    5 seconds

HAProxy's statistics show exactly one primary up, and it is the leader
    [Tags]    HP-01
    Given A Cluster With A Leader
    Then Leader Should Be The Only Primary Up
    And Every Replica Should Be Up
