*** Settings ***
Documentation    What clients of the relay era rely on: their messages, their configuration, their metrics.

Resource         ../../resources/broker.resource

Test Teardown    Everything The Test Began Is Ended

Test Tags        phase:compatibility    system:broker


*** Test Cases ***
Messages recorded from the relay era are passed on unchanged and read as recorded, wrong ones refused by the named error
    [Documentation]    No relay is left to ask (C-28); the descriptions of the protocol contradict each other (C-23):
    ...    golden vectors of the layout that section 8 of the contract adopts, and messages of its rivals as wrong ones.
    [Tags]    MK-01
    ${messages} =    Given Recorded Messages Go Through The Broker
    Then Bytes Should Have Come Unchanged    ${messages}    messages=20
    And Each Right One Should Be Read As Recorded    ${messages}
    And Each Wrong One Should Be Refused With The Named Error    ${messages}

The services start with their default configuration and with the topics of the relays, and exchange every event
    [Documentation]    The seed constructs types that are private (C-27): here services start without an option and find
    ...    the broker at its default path.
    [Tags]    MK-02
    ${broker} =    Given A Broker At The Default Path
    ${services} =    When Services Start With Default Configuration    ${broker}
    Then Events Should Reach Every Consumer Within    ${services}    5 seconds
    ${services} =    When Services Start With The Topics Of The Relays    ${broker}
    Then Events Should Reach Every Consumer Within    ${services}    5 seconds

The metrics page has the relays' 12 names, and they follow the traffic
    [Documentation]    The names are those that section 2.8 of the contract found in the relays' code.
    [Tags]    MK-03
    ${page} =    When Legacy Metrics Around Some Traffic
    Then Page Should Have Every Legacy Name    ${page}
    And Legacy Metrics Should Have Followed The Traffic    ${page}
