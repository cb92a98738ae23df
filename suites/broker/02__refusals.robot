*** Settings ***
Documentation    What a broker must refuse, as declared, while others go on. The test has a broker of its own.

Resource         ../../resources/broker.resource

Test Teardown    Everything The Test Began Is Ended

Test Tags        phase:integration    system:broker


*** Test Cases ***
What is wrong is refused as declared and counted, and no other client waits longer than 1 second for a message
    [Documentation]    The tickets tell no client that something failed (C-19) and check no topic's own limit (C-21);
    ...    section 2 of the contract decides which error comes and which connections are closed.
    [Tags]    MB-05
    ${broker} =    Given A Broker With Small Limits And Innocent Clients
    When Everything Wrong Is Done    broker=${broker}
    Then Each Should Have Been Refused And Counted    broker=${broker}
    And Innocent Clients Should Not Have Been Disturbed    ${broker}    longest_silence=1 second
