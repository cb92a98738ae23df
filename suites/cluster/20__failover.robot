*** Settings ***
Documentation    What clients notice when leadership moves, planned or not. Writers run before, during and after; what
...              each was told is compared with what is there in the end. All the time every member is asked on its own
...              port whether it accepts writes.

Resource         ../../resources/failover.resource

Test Teardown    Everything Is Healed And Nothing Is Left

Test Tags        phase:chaos    system:cluster


*** Test Cases ***
A planned switchover loses no acknowledged write and stops writes for less than 10 seconds
    [Tags]    HA-10
    Given Leadership Was Handed Over While Clients Wrote
    Then Leader Should Have Changed    since=the switchover
    And Writes Should Have Stopped For Less Than    10 seconds    since=the switchover
    And Writes Should Have Been Safe

Connections follow the leader within 5 seconds of a switchover
    [Tags]    HP-02
    Given Leadership Was Handed Over While Clients Wrote
    Then Marked Instant Should Have Come Within    the idle session was cut    5 seconds    since=the switchover
    And Writes Should Have Resumed Within    5 seconds    since=the switchover
    And Leader Should Be The Only Primary Up
    And No Session Should Be Left Off The Leader
    And New Connections Should Reach The Leader    connections=10

Another member takes over from a killed leader node within 25 seconds and no acknowledged write is lost
    [Tags]    HA-11
    Given The Leader Node Was Killed In Synchronous Mode
    Then Another Member Should Have Taken Over Within    25 seconds    since=the leader node was killed
    And Writes Should Have Resumed Within    25 seconds    since=the leader node was killed
    And Timeline Should Have Grown By    1
    And Writes Should Have Been Safe

A killed leader node streams again within 30 seconds of its start
    [Tags]    HA-16
    Given The Leader Node Was Killed In Synchronous Mode
    Then Marked Instant Should Have Come Within
    ...    the killed node streamed    30 seconds    since=the killed node was started
    And Every Replica Should Stream From The Leader

Two members never accept writes at once, though the leader is killed, or frozen and resumed
    [Tags]    HA-13
    Given The Leader Node Was Killed In Synchronous Mode
    Then Two Members Should Never Have Accepted Writes At Once
    When Freeze And Resume The Leader Node In Synchronous Mode
    Then Leader Should Have Changed    since=the leader node was frozen
    And Writes Should Have Been Safe

In asynchronous mode the writes acknowledged while replication is frozen are lost with the leader node
    [Tags]    HA-17
    Given Kill The Leader Node In Asynchronous Mode
    Then Leader Should Have Changed    since=the leader node was killed
    And Exactly The Writes Of The Window Should Be Lost
    ...    began=replication began to freeze    begin=replication was frozen    end=the leader node was killed
    And Two Members Should Never Have Accepted Writes At Once

PostgreSQL killed alone is restarted in place, or another member takes over, as configured, within 10 seconds
    [Tags]    HA-12
    When Kill PostgreSQL Alone On The Leader    primary_start_timeout=300
    Then Same Member Should Have Led Again Within    10 seconds    since=PostgreSQL was killed
    And Writes Should Have Been Safe
    When Kill PostgreSQL Alone On The Leader    primary_start_timeout=0
    Then Another Member Should Have Taken Over Within    10 seconds    since=PostgreSQL was killed
    And Two Members Should Never Have Accepted Writes At Once
