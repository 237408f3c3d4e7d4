"""What has been seen on the portal: names and ids of resources, by package.

Facts for checks and examples; no rule and no entry belongs here. A resource is chosen by its package and its name, and
an id that differs from the one seen here is worth a word, for ids are replaced at times.
"""

from __future__ import annotations

from energy_assets.catalogue.model import KnownResource

RESOURCES: dict[str, tuple[KnownResource, ...]] = {
    "1-day-ahead-demand-forecast": (
        KnownResource("Day Ahead National Demand Forecast", "aec5601a-7f3e-4c4c-bf56-d8e4184d3c5b"),
        KnownResource("Historic Day Ahead Demand Forecasts", "9847e7bb-986e-49be-8138-717b25933fbb"),
    ),
    "2-day-ahead-demand-forecast": (
        KnownResource("2 Day Ahead Demand Forecast", "cda26f27-4bb6-4632-9fb5-2d029ca605e1"),
        KnownResource("Historic 2 Day Ahead Demand Forecasts", "24abd271-5936-45c7-85f4-2a6b450ef6b7"),
    ),
    "7-day-ahead-national-forecast": (
        KnownResource("7 Day Ahead Demand Forecast", "70d3d674-15a6-4e41-83b4-410440c0b0b9"),
        KnownResource("Historic 7 Day Ahead Demand Forecasts", "6f7408b4-47fd-4ae7-b1e5-f095a3a5a2dc"),
    ),
    "2-14-days-ahead-national-demand-forecast": (
        KnownResource("2-14 Days Ahead Cardinal Point Forecast", "9af18ed4-efc8-4779-bef5-c0927fee9b0a"),
        KnownResource("2-14 Days Ahead Half Hourly Forecast", "7c0411cd-2714-4bb5-a408-adb065edf34d"),
        KnownResource("Historic 2-14 Day Ahead Demand Forecasts", "4dd712a2-ee2c-455d-a9c0-9d3564c80fa0"),
    ),
    "long-term-2-52-weeks-ahead-national-demand-forecast": (
        KnownResource("Long term demand forecast", "903302b4-b577-4228-a347-b9917568b4e1"),
    ),
    "demand-profile-dates": (KnownResource("Demand Profile Dates", "48862d1a-f285-4709-a48c-1c0e8e7b37c3"),),
    "day-ahead-half-hourly-demand-forecast-performance": (
        KnownResource("Day Ahead Half Hourly Demand Forecast Performance", "08e41551-80f8-4e28-a416-ea473a695db9"),
    ),
    "historic-demand-data": (
        KnownResource("Historic Demand Data 2001", "e8608e9a-f56c-457f-b9e7-bfffcfd19731"),
        KnownResource("Historic Demand Data 2002", "4daaac31-ae56-461e-8efe-6b33e147225a"),
        KnownResource("Historic Demand Data 2003", "30650247-acbf-414d-8ae2-2aa4aac57537"),
        KnownResource("Historic Demand Data 2004", "5f5c076c-d3a3-4f33-a137-501cc3d2ca9b"),
        KnownResource("Historic Demand Data 2005", "42a41acd-53b6-450d-af1b-4a92a352895c"),
        KnownResource("Historic Demand Data 2006", "949bb4a4-8374-4730-89ef-302d82428d2c"),
        KnownResource("Historic Demand Data 2007", "c0da767c-447d-48d1-93fd-ca3955d078ae"),
        KnownResource("Historic Demand Data 2008", "ec63adc8-e8a1-45cc-a593-5953b1ede7b1"),
        KnownResource("Historic Demand Data 2009", "ed8a37cb-65ac-4581-8dbc-a3130780da3a"),
        KnownResource("Historic Demand Data 2010", "b3eae4a5-8c3c-4df1-b9de-7db243ac3a09"),
        KnownResource("Historic Demand Data 2011", "01522076-2691-4140-bfb8-c62284752efd"),
        KnownResource("Historic Demand Data 2012", "4bf713a2-ea0c-44d3-a09a-63fc6a634b00"),
        KnownResource("Historic Demand Data 2013", "2ff7aaff-8b42-4c1b-b234-9446573a1e27"),
        KnownResource("Historic Demand Data 2014", "b9005225-49d3-40d1-921c-03ee2d83a2ff"),
        KnownResource("Historic Demand Data 2015", "cc505e45-65ae-4819-9b90-1fbb06880293"),
        KnownResource("Historic Demand Data 2016", "3bb75a28-ab44-4a0b-9b1c-9be9715d3c44"),
        KnownResource("Historic Demand Data 2017", "2f0f75b8-39c5-46ff-a914-ae38088ed022"),
        KnownResource("Historic Demand Data 2018", "fcb12133-0db0-4f27-a4a5-1669fd9f6d33"),
        KnownResource("Historic Demand Data 2019", "dd9de980-d724-415a-b344-d8ae11321432"),
        KnownResource("Historic Demand Data 2020", "33ba6857-2a55-479f-9308-e5c4c53d4381"),
        KnownResource("Historic Demand Data 2021", "18c69c42-f20d-46f0-84e9-e279045befc6"),
        KnownResource("Historic Demand Data 2022", "bb44a1b5-75b1-4db2-8491-257f23385006"),
        KnownResource("Historic Demand Data 2023", "bf5ab335-9b40-4ea4-b93a-ab4af7bce003"),
        KnownResource("Historic Demand Data 2024", "f6d02c0f-957b-48cb-82ee-09003f2ba759"),
        KnownResource("Historic Demand Data 2025", "b2bde559-3455-4021-b179-dfe60c0337b0"),
        KnownResource("Historic Demand Data 2026", "8a4a771c-3929-4e56-93ad-cdf13219dea5"),
    ),
    "daily-demand-update": (KnownResource("Demand Data Update", "177f6fa4-ae49-4182-81ea-0c6b35f26ca6"),),
    "national-demand-balancing-mechanism-units": (
        KnownResource("National Demand Balancing Mechanism Units", "7e1e84cf-89f4-4c69-a72a-d778087c22a4"),
    ),
    "school-holiday-percentages": (
        KnownResource("School Holiday Percentages 2026/27", "5e4bb837-a43b-4709-91e6-ddf8ca9a660a"),
    ),
    "transmission-losses": (
        KnownResource("Financial Year Losses", "c0cd9512-4f8a-468e-8823-7c8238dcb9b9"),
        KnownResource("Transmission Losses", "fddc307d-fc5a-458d-809f-2ad9a697b142"),
    ),
    "tresp-demand-pathways": (
        KnownResource("tRESP Demand Pathways per Grid Supply Point Area", "d616d330-4829-4f8a-b74b-00a57b41bc20"),
        KnownResource("tRESP Demand Pathways per RESP Nation and Region", "cb1f1b31-1fde-40ab-86c9-34a3e1bdb665"),
        KnownResource(
            "tRESP Indicative Demand Pathways per Local Authority for England", "c3a261a4-94e9-4d75-b0de-d3805b0b5ae8"
        ),
        KnownResource(
            "tRESP Indicative Demand Pathways per Local Authority for Scotland", "67d699eb-c5e9-42cd-a57a-74fcc52bcea9"
        ),
        KnownResource(
            "tRESP Indicative Demand Pathways per Local Authority for Wales", "ccb3dfc8-ab4a-4f32-b944-8eced2e87bff"
        ),
    ),
    "tresp-generation-pathways": (
        KnownResource("tRESP Generation Pathways per Grid Supply Point Area", "970b7a25-6086-4b07-b109-b01ae43ae78c"),
        KnownResource("tRESP Generation Pathways per RESP Nation and Region", "f295b8b5-8022-433d-b07f-b75b729fb199"),
        KnownResource(
            "tRESP Indicative Generation Pathways per Local Authority for England",
            "d20aec73-01df-486d-a1aa-390c9cab2976",
        ),
        KnownResource(
            "tRESP Indicative Generation Pathways per Local Authority for Scotland",
            "38379002-1fcf-461a-beb1-2b15b555f994",
        ),
        KnownResource(
            "tRESP Indicative Generation Pathways per Local Authority for Wales", "62275682-ed2c-44e8-aede-8404b19f3d67"
        ),
    ),
    "embedded-wind-and-solar-forecasts": (
        KnownResource("Embedded Solar and Wind Forecast", "db6c038f-98af-4570-ab60-24d71ebd0ae5"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2019", "bc4d1093-ecf2-46d8-b207-7a0e3e8fb957"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2020", "8a7249d4-ee67-45aa-9641-a3e063f54dba"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2021", "794107f5-8567-4b32-ae3a-6817fec73e5c"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2022", "07b0b42c-5152-4fc5-bcd1-e10ec8ec07de"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2023", "26c9ef64-ce43-4e22-b984-ef013636aacb"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2024", "06abd00a-ef6b-488b-9b6d-5e08fdc0c890"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2025", "fc13df13-2dad-4a1c-b9e3-4569efba4955"),
        KnownResource("Embedded Solar and Wind Forecast Archive 2026", "31861619-0b86-47ba-bac2-d008a760af54", True),
    ),
    "14-days-ahead-wind-forecasts": (
        KnownResource("14 Day Ahead Wind BMU Forecast", "342aae25-d3a6-436c-b168-db8b247ccb83"),
        KnownResource("14 Days Ahead Wind Forecast", "93c3048e-1dab-4057-a2a9-417540583929"),
    ),
    "14-days-ahead-operational-metered-wind-forecasts": (
        KnownResource("14 Day Ahead Operational Metered Wind Forecast", "b1ae17c2-cc5e-4254-9bbf-3eddcf30d033"),
        KnownResource(
            "14 Day Ahead Operational Metered Windfarm-Level Wind Forecast", "31e6d895-af48-41bd-a4db-28a78c7e9c4b"
        ),
    ),
    "day-ahead-wind-forecast": (
        KnownResource("Day Ahead Wind BMU Forecast", "90e581e9-2d7f-4eaa-8fe0-6e323ee0f5f7"),
        KnownResource("Day Ahead Wind Forecast", "b2f03146-f05d-4824-a663-3a4f36090c71"),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2018", "9c26224d-ba6f-4fff-a21f-6f0090d8ac7d", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2019", "11bc4219-0524-468d-8378-bba06c6114c4", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2020", "ae7cd368-7fcf-47ab-a835-27a6ee7a679e", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2021", "53587966-5b79-4a8c-8029-efe1c3d13601", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2022", "411cfef3-2297-49b0-8426-476d913ba310", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2023", "b8a784ac-f6fe-4f93-a965-ce6a32df0963", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2024", "22625e0b-f63b-4d0e-9bbd-54383fc3e931", True),
        KnownResource("Historic Day Ahead Wind BMU Forecasts 2025", "81413643-508e-4358-8414-c87e7c4bcc43", True),
        KnownResource("Historic Day Ahead Wind Forecasts", "7524ec65-f782-4258-aaf8-5b926c17b966"),
    ),
    "daily-wind-availability": (KnownResource("Daily Wind Availability", "7aa508eb-36f5-4298-820f-2fa6745ae2e7"),),
    "weekly-wind-availability": (KnownResource("Weekly Wind Availability", "bb375594-dd0b-462b-9063-51e93c607e41"),),
    "daily-opmr": (
        KnownResource("Daily Operational Planning Margin Requirement", "0eede912-8820-4c66-a58a-f7436d36b95f"),
    ),
    "weekly-opmr": (
        KnownResource("Weekly Operational Planning Margin Requirement (OPMR)", "c08419f5-a28d-4e35-87a4-676d7eb05713"),
    ),
    "negative-reserve-active-power-margin-nrapm-forecast": (
        KnownResource("National Daily 2-14 days NRAPM Forecast", "4c391daa-14e2-4991-a476-5539033ebb3d"),
        KnownResource("Scotland Daily 2-14 days NRAPM Forecast", "c2861f81-b400-4456-870e-d51a4b530331"),
        KnownResource("Weekly 2-52 week National NRAPM Forecast", "42377a3d-e202-475f-9069-dcd4d1fae952"),
        KnownResource("Weekly 2-52 week Scotland NRAPM forecast", "88f3e766-fff2-418c-aef2-4b627d2cdabd"),
    ),
    "monthly-operational-metered-wind-output": (
        KnownResource("Monthly Operational Metered Wind Output 2018-2019", "bf03c648-98d8-40f3-b5d9-e174cb2c1f81"),
        KnownResource("Monthly Operational Metered Wind Output 2019-2020", "c36868d9-9d43-47ce-ac3e-de69f0bb6222"),
        KnownResource("Monthly Operational Metered Wind Output 2020-2021", "043d5423-f877-4d28-864e-210dc68711d4"),
        KnownResource("Monthly Operational Metered Wind Output 2021-2022", "e5df03f3-a25b-4df4-a95c-8a709815924b"),
        KnownResource("Monthly Operational Metered Wind Output 2022-2023", "f732e9bb-b573-46a7-8767-3affbbb29b45"),
        KnownResource("Monthly Operational Metered Wind Output 2023-2024", "c47155bc-71b8-4b0a-aba3-0e2d1295daea"),
        KnownResource("Monthly Operational Metered Wind Output 2024-2025", "3ac8c742-d601-4b6c-9779-e69cea94e134"),
        KnownResource("Monthly Operational Metered Wind Output 2025-2026", "7622b040-977a-45a6-924e-f158df6c29f0"),
        KnownResource("Monthly Operational Metered Wind Output 2026-2027", "c9bc94c4-6d8c-49ff-afff-67c0030bec05"),
    ),
    "wind-bmu-boa-volumes": (
        KnownResource("Wind BOA Volumes 2018/19", "28183033-4464-4b3a-a0ff-0efdc5cd6c7a"),
        KnownResource("Wind BOA Volumes 2019/20", "6ef6f5f2-2852-4f66-931c-29f8e5b46ddf"),
        KnownResource("Wind BOA Volumes 2020/21", "b8670a89-36cd-4a19-b00d-2129ab15d3b2"),
        KnownResource("Wind BOA Volumes 2021/22", "094ad551-630a-4302-b259-800a27122cfb"),
        KnownResource("Wind BOA Volumes 2022/23", "62da8915-4b87-4d77-a8f5-89084de1830d"),
        KnownResource("Wind BOA Volumes 2023/24", "1edaa5fe-86fe-41b4-95b9-55e9ec45fab0"),
        KnownResource("Wind BOA Volumes 2024/25", "d3fbf6c1-7688-4486-8716-b5af0c895a5a"),
        KnownResource("Wind BOA Volumes 2025/26", "7bf83942-3590-4fe5-9980-49a9546e30a9"),
        KnownResource("Wind BOA Volumes 2026/27", "45598dcd-ea9c-4911-95f2-7946c5f3b034"),
    ),
    "historic-generation-mix": (KnownResource("Historic GB Generation Mix", "f93d1835-75bc-43e5-84ad-12472b180a98"),),
    "national-carbon-intensity-forecast": (
        KnownResource("National Carbon Intensity Forecast", "0e5fde43-2de7-4fb4-833d-c7bca3b658b0"),
    ),
    "regional-carbon-intensity-forecast": (
        KnownResource("Regional Carbon Intensity Forecast", "c16b0e19-c02a-44a8-ba05-4db2c0545a2a"),
    ),
    "country-carbon-intensity-forecast": (
        KnownResource("Country Carbon Intensity Forecast", "e032e7aa-dea5-4695-80d6-19739142021d"),
    ),
    "carbon-intensity-of-balancing-actions": (
        KnownResource("Carbon Intensity of Balancing Actions", "0b7edf10-4328-4b85-a0af-e6daa6bb8428"),
    ),
    "constraint-breakdown": (
        KnownResource("Constraint Breakdown 2017-2018", "3651e9e3-52a8-46b6-a675-3a4c2aedc813"),
        KnownResource("Constraint Breakdown 2018-2019", "26af8438-1824-4436-9bbd-d397a9a517e2"),
        KnownResource("Constraint Breakdown 2019-2020", "c4d2be3a-4c05-4fac-be7e-56368ca46142"),
        KnownResource("Constraint Breakdown 2020-2021", "87088ac4-72d5-48ff-9ee1-f2a99e18277a"),
        KnownResource("Constraint Breakdown 2021-2022", "419337fb-f609-45e3-9097-798a41b4b3de"),
        KnownResource("Constraint Breakdown 2022-2023", "efb633ae-f6d7-444b-8759-449ac0539dd0"),
        KnownResource("Constraint Breakdown 2023-2024", "24d067d8-1328-452a-9720-21cb691e491e"),
        KnownResource("Constraint Breakdown 2024-2025", "748557ef-2bb3-41c0-8181-5f1a148c1ff4"),
        KnownResource("Constraint Breakdown 2025-2026", "6afe1c2b-6d70-4e76-8e74-0952b0a2beab"),
        KnownResource("Constraint Breakdown 2026-2027", "4136a8e2-07c5-4784-8096-28999447a16e"),
    ),
    "thermal-constraint-costs": (
        KnownResource("Thermal Constraint Costs Data 21-22", "4357dd3b-5c7a-4caa-8d1a-8cf848521143"),
        KnownResource("Thermal Constraint Costs Data 22-23", "476b8d39-5eda-425c-9756-73ddfd36dc4d"),
        KnownResource("Thermal Constraint Costs Data 23-24", "75c9c564-af38-4421-a461-a612a6921212"),
        KnownResource("Thermal Constraint Costs Data 24-25", "27df75fd-6233-466c-beed-3e6e2261e6b1"),
        KnownResource("Thermal Constraint Costs Data 25-26", "407f3e9d-5c38-4a64-98f5-923dc4d64fb2"),
        KnownResource("Thermal Constraint Costs Data 26-27", "c730b788-4328-43dc-9f84-27fd3adeda59"),
    ),
    "outturn-voltage-costs": (
        KnownResource("Historical Outturn Voltage Costs 2014-2015", "fae5a592-deb4-4c66-8d51-d6ef450ccd95"),
        KnownResource("Historical Outturn Voltage Costs 2015-2016", "035ab58a-7b96-4e10-bf51-cf3a7e64f6a0"),
        KnownResource("Historical Outturn Voltage Costs 2016-2017", "f9a80c9d-586b-4139-8371-436cc07d1ef3"),
        KnownResource("Historical Outturn Voltage Costs 2017-2018", "118a9d4e-17a3-4606-bb30-4ed1d2abe722"),
        KnownResource("Historical Outturn Voltage Costs 2018-2019", "27454f2f-591d-4222-a288-cc2f0fcc4250"),
        KnownResource("Historical Outturn Voltage Costs 2019-2020", "1b02d2ec-8d0f-4244-9828-9eac5d9c3c67"),
        KnownResource("Outturn Voltage Costs 2025-2026", "073f9ffa-05d5-47e5-8835-e1ac31b7656d"),
    ),
    "24-months-ahead-constraint-cost-forecast": (
        KnownResource("24 Months Ahead Constraint Cost Forecast", "28b85d3f-a1cc-4bb9-80af-600f2cca266a"),
    ),
    "24-months-ahead-constraint-limits": (
        KnownResource("24 Months ahead constraint limits", "3c359e33-3dac-4bdd-87d1-efbf4cbc2f07"),
    ),
    "year-ahead-constraint-limits": (
        KnownResource("Year Ahead Constraint Limits", "362dfb8a-3cac-4332-acfe-57dfb371c852"),
    ),
    "day-ahead-constraint-flows-and-limits": (
        KnownResource("Day Ahead Constraint Flows and Limits", "38a18ec1-9e40-465d-93fb-301e80fd1352"),
    ),
    "constraint-management-intertrip-service-information-cmis": (
        KnownResource("Constraint Management Intertrip Arming 2022-2023", "60b4055c-d87e-4ebe-8d21-e023f506e461"),
        KnownResource("Constraint Management Intertrip Arming 2023-2024", "38c6a5cd-388d-4275-b404-361c6eb102b3"),
        KnownResource("Constraint Management Intertrip Arming 2024-2025", "2f0777a3-719c-4ffe-96c2-61117a5ec468"),
        KnownResource("Constraint Management Intertrip Arming 2025-2026", "c6f0c279-87c9-4123-a4d1-b2d6d98b43a7"),
        KnownResource("Constraint Management Intertrip Arming 2026-2027", "60a1c0c6-4821-4e38-bc87-c6b4d510be6d"),
    ),
    "voltage-requirement": (
        KnownResource("Week Ahead Overnight Voltage Requirement 20-26", "00881643-7a5e-4eed-b144-06423a88202b"),
    ),
    "operational-transparency-forum-network-congestion-data": (
        KnownResource("Network congestion Forecast and Actual data", "aa9d4303-b7ec-4881-be07-16bad8824ab6"),
    ),
    "current-balancing-services-use-of-system-bsuos-data": (
        KnownResource("Current II BSUoS Data", "0eda5e28-1dc6-48da-8663-c00e12f2a1e2"),
        KnownResource("Current RF BSUoS Data", "26b0f410-27d4-448a-9437-45277818b838"),
        KnownResource("Current SF BSUoS Data", "f0060fd0-1fc9-4288-a0b3-4af9b592b0cf"),
        KnownResource("Historic II BSUoS Data", "3372646d-419f-4599-97a9-6bb4e7e32862"),
        KnownResource("Historic II BSUoS Data 2023-2024", "d151c80a-f6a8-4b79-9387-1a68cd445af5"),
        KnownResource("Historic II BSUoS Data 2024-2025", "ea47c8e4-caa3-49c7-a442-e9644d330f63"),
        KnownResource("Historic II BSUoS Data 2025-2026", "45e87b67-ed5d-49ea-a149-2b37f467e542"),
        KnownResource("Historic RF BSUoS Data", "2e8b2ea6-cdb5-4936-8636-4ab5a3f7e350"),
        KnownResource("Historic RF BSUoS Data 2023-2024", "47642de9-0738-47df-b230-94a097b61ae7"),
        KnownResource("Historic RF BSUoS Data 2024-2025", "544ad552-65e6-47f9-b89c-0b9929dbb869"),
        KnownResource("Historic SF BSUoS Data", "241b40c3-1f20-4607-b329-0466d215871d"),
        KnownResource("Historic SF BSUoS Data 2023-2024", "a68fecf2-99a0-407a-90bb-2a6ebc39d9aa"),
        KnownResource("Historic SF BSUoS Data 2024-2025", "320cdc0d-457f-4849-a0fc-bf6bdd4e21e5"),
        KnownResource("Historic SF BSUoS Data 2025-2026", "927aac83-c218-476c-9c20-29cf20cee448"),
    ),
    "bsuos-fixed-tariffs": (
        KnownResource(
            "Balancing Services Use of System Charges (BSUoS) Tariffs", "4dfa533f-bec6-491b-a3f1-7ce92449bc9a"
        ),
    ),
    "bsuos-monthly-forecast": (
        KnownResource("Monthly BSUoS Forecast Summary - April 2026", "d8231d25-e7df-4292-a71d-53f8a2b6ed26"),
    ),
    "balancing-services-use-of-system-bsuos-daily-forecast": (
        KnownResource("Daily BSUoS Forecast 2018-19", "ac191a63-a67a-4b3b-ac8c-fdfcea79d042"),
        KnownResource("Daily BSUoS Forecast 2019-20", "c1be6c7c-c36d-46cb-8038-098075599bb0"),
        KnownResource("Daily BSUoS Forecast 2020-21", "586d0e6b-cc03-4312-9df3-407438715eb2"),
        KnownResource("Daily BSUoS Forecast 2021-22", "25e4acc4-e1b3-48f5-af8c-8d6f84291791"),
        KnownResource("Daily BSUoS Forecast 2022-23", "b98095a8-310a-4fee-8d51-e20531c49465"),
    ),
    "daily-balancing-costs-balancing-services-use-of-system": (
        KnownResource("Daily Balancing Costs 2017-2018", "a84e4ccb-18e2-474e-a34a-47b835772f17"),
        KnownResource("Daily Balancing Costs 2018-2019", "2be31033-829f-4030-94d6-58f2fdf76312"),
        KnownResource("Daily Balancing Costs 2019-2020", "723dd577-985b-4ceb-ab98-95a5df32584f"),
        KnownResource("Daily Balancing Costs 2020-2021", "7bcd8e25-c148-4cdb-b46f-394f88b92db5"),
        KnownResource("Daily Balancing Costs 2021-2022", "8d89e8ee-85d7-4395-813e-a9233b3bdb7c"),
        KnownResource("Daily Balancing Costs 2022-2023", "2a48ee67-a7f5-4d29-b223-a92f1d289224"),
        KnownResource("Daily Balancing Costs 2023-2024", "5eb3f06d-26ed-4e04-81a0-ce8c02ecd11e"),
        KnownResource("Daily Balancing Costs 2024-2025", "527a5f40-942b-416b-99df-81a51c30d041"),
        KnownResource("Daily Balancing Costs 2025-2026", "46183ba7-48df-4318-9b4b-06828348d46e"),
        KnownResource("Daily Balancing Costs 2026-2027", "1d040751-f77f-4641-9130-d49f8cbfe54f"),
    ),
    "daily-balancing-volume-balancing-services-use-of-system": (
        KnownResource("Daily Balancing Volume 2017-2018", "a9b63a05-da9a-4a49-bcf4-13326720ce80"),
        KnownResource("Daily Balancing Volume 2018-2019", "0481067a-8a0e-465a-85a1-79482fca9307"),
        KnownResource("Daily Balancing Volume 2019-2020", "e1043731-cc07-4e41-89a4-596316a663e8"),
        KnownResource("Daily Balancing Volume 2020-2021", "b097d727-5adf-4c7c-98e5-4f8914b0f524"),
        KnownResource("Daily Balancing Volume 2021-2022", "539cc579-37e1-4b6f-94e5-c26f9ec9be70"),
        KnownResource("Daily Balancing Volume 2022-2023", "0cb9b169-a14a-4d1f-b08a-273b21519465"),
        KnownResource("Daily Balancing Volume 2023-2024", "66984a1a-4b02-4dd7-9183-425babf23b02"),
        KnownResource("Daily Balancing Volume 2024-2025", "62760005-e3bc-4a27-8207-2a2c035055d0"),
        KnownResource("Daily Balancing Volume 2025-2026", "ef47829c-4916-4a6d-8554-257b6241026a"),
        KnownResource("Daily Balancing Volume 2026-2027", "e781da74-6c35-4296-81dd-250cee869c19"),
    ),
    "gb-system-inertia-bid-and-offer-costs": (
        KnownResource("GB System Inertia Costs - combined bids and offers", "8da765a1-004f-46a5-8b3f-0e5b1787fcb1"),
    ),
    "skip-rates": (
        KnownResource("In Merit PSA for Demand Side Flexibility Unit", "d02ef4f9-b2cf-4d0c-b851-521ba6976d44"),
        KnownResource("Skip Rate - Exclusion Reasons - August 2026", "a82a2a20-6f08-4d7d-a2ed-221527ba75c2"),
        KnownResource("Skip Rate - Exclusion Reasons - December 2024", "c20e81a0-1c82-4e03-913e-9e73d6daca6b"),
        KnownResource("Skip Rate - Exclusion Reasons - January 2025", "fa3df861-bbdd-4d60-8e84-9b7f9351ba48"),
        KnownResource("Skip Rate - Exclusion Reasons - July 2026", "db88ded4-bb64-4b5a-851d-bdd6eabb397d"),
        KnownResource("Skip Rate - Exclusion Reasons - October 2026", "f8110eb8-f4ad-4288-87d5-37ab434b55b5"),
        KnownResource("Skip Rate - Exclusion Reasons - September 2026", "1679aa42-0184-4564-8bf5-406f6b0bc594"),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - August 2026", "ce31e61b-ebc5-4c6f-846f-d5a971e019a0"
        ),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - December 2024", "ec422c87-a316-47bf-95a2-4e0cd07114dc"
        ),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - January 2025", "70d39639-4504-46b2-bae9-37428e96063d"
        ),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - July 2026", "c12fdef0-0b18-439d-a16c-c97fbd93c45d"
        ),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - October 2026", "fb15911f-ddda-4b87-8334-471430c0e70f"
        ),
        KnownResource(
            "Skip Rate - In Merit All Balancing Mechanism - September 2026", "ca3587a2-ae0d-47db-b0a1-4d681af8bced"
        ),
        KnownResource("Skip Rate - In Merit Post System Action - August 2026", "80f792cd-8985-4f94-b073-8756b0b4211c"),
        KnownResource(
            "Skip Rate - In Merit Post System Action - December 2024", "f8ec048d-7cd8-4eef-9323-f34311dd913c"
        ),
        KnownResource("Skip Rate - In Merit Post System Action - January 2025", "3a4863d1-220e-43e5-9049-94db1045d92c"),
        KnownResource("Skip Rate - In Merit Post System Action - July 2026", "85a2af4e-d3de-4f11-80cf-309e39b94b59"),
        KnownResource("Skip Rate - In Merit Post System Action - October 2026", "b9806162-b605-4502-ac44-a419d2b010e5"),
        KnownResource(
            "Skip Rate - In Merit Post System Action - September 2026", "38421f3d-8949-4dcf-81cf-0295a8688086"
        ),
        KnownResource("Skips Behind Constraints - In Merit BMU-Level", "26f3a3de-e5fd-43e5-9d8a-d89a9c786812"),
        KnownResource("Skips Behind Constraints - In Merit Constraint-Level", "a88adc4c-d3a6-440d-946b-4e5a3e7ea1c5"),
        KnownResource("Stage 5 DSF Technology-Specific Skip Rate", "958004c0-bd7b-405b-a46b-8c7f3ee0e108"),
        KnownResource("Stage 5 PSA Skip Rate by Technology", "007c5786-bd34-4a09-8bdf-be5d63eda16a"),
    ),
    "system-inertia": (
        KnownResource("GB System Inertia - 2017-2018", "096d2e9f-fc94-439c-899a-31a67650bda7"),
        KnownResource("GB System Inertia - 2018-2019", "1e48b665-684d-4372-925a-2beedb520cdf"),
        KnownResource("GB System Inertia - 2019-2020", "2f2dbaa1-3047-4e48-85f2-ec24e669678f"),
        KnownResource("GB System Inertia - 2020-2021", "f198d0bd-2b7d-493c-af9d-b2b9cbb4353b"),
        KnownResource("GB System Inertia - 2021-2022", "55161fb4-1396-46e2-9250-2e2b9df904bf"),
        KnownResource("GB System Inertia - 2022-2023", "b42a4fe0-32e4-47ed-9697-5fe101b75970"),
        KnownResource("GB System Inertia - 2023-2024", "5bd6ec4d-a2df-4c94-9b27-fdf8cf04d7dd"),
        KnownResource("GB System Inertia - 2024-2025", "7a12d0bd-448d-42a9-b333-4a32761dbad4"),
        KnownResource("GB System Inertia - 2025-2026", "936daa4f-fca4-4c6a-968a-884f3d77bafe"),
        KnownResource("GB System Inertia - 2026-2027", "3ff8b466-5c16-4713-abfe-ad332298f15f"),
    ),
    "system-inertia-cost": (
        KnownResource("GB System Inertia Costs 2017", "28dc603e-3472-45cd-8e7b-998efc674084"),
        KnownResource("GB System Inertia Costs 2018", "1146f7af-9f3b-4a8a-a37d-3003c727bfbf"),
        KnownResource("GB System Inertia Costs 2019", "620491fa-ae1b-45b3-baa0-6e87c2d574cf"),
        KnownResource("GB System Inertia Costs 2020", "130c9f71-cbce-4027-b5b8-13cba14df0dd"),
        KnownResource("GB System Inertia Costs 2021", "3518e47e-ffb3-4561-aff1-4a102fcb242d"),
        KnownResource("GB System Inertia Costs 2022", "8a3a4233-e9aa-45c2-b0c4-28b8d614165b"),
        KnownResource("GB System Inertia Costs 2023", "3cc32e61-bf87-471c-bf00-abb356d3f8c8"),
        KnownResource("GB System Inertia Costs 2024", "91947c0c-bbbf-4d55-a29d-dc610d91d075"),
        KnownResource("GB System Inertia Costs 2025", "a6a52241-1774-48d8-935f-2bef0d843e18"),
        KnownResource("GB System Inertia Costs 2026", "6295f4ed-b43d-4a80-8ca9-c27c9fa16517"),
    ),
    "system-frequency-data": (
        KnownResource("April 2021 - Historic Frequency Data", "bd6e1b3f-1abb-452c-813c-397a41f7af8d"),
        KnownResource("April 2025 - Historic Frequency Data", "f81823de-ac73-48d4-8b4f-d2c871e5702e"),
        KnownResource("April 2026 - Historic Frequency Data", "41b25b04-a824-402e-a3eb-2a0eeb348293"),
        KnownResource("August 2021 - Historic Frequency Data", "ae40912b-de8f-43b1-8eeb-c58e469f2365"),
        KnownResource("August 2024 - Historic Frequency Data", "e5a24d28-a344-4969-970a-ffda612931a7"),
        KnownResource("August 2025 - Historic Frequency Data", "b511a71e-15dc-4bb4-a4e1-dcb881363a85"),
        KnownResource("August 2026 - Historic Frequency Data", "758fa76d-b645-4532-a532-ab49335ee4c3"),
        KnownResource("December 2021 - Historic Frequency Data", "afe9895c-5937-4e78-8949-f0f026643666"),
        KnownResource("December 2024 - Historic Frequency Data", "ac188a3c-9e52-40ce-8795-874e951327cb"),
        KnownResource("December 2025 - Historic Frequency Data", "5c408627-44a1-417d-9fc5-a26ad822c4e4"),
        KnownResource("February 2021 - Historic Frequency Data", "53e2be31-c68c-40b3-bb83-7ae12240107c"),
        KnownResource("February 2025 - Historic Frequency Data", "ec60c750-b4e4-4328-a693-7b562467b175"),
        KnownResource("February 2026 - Historic Frequency Data", "7f5364d6-5a06-4d34-bd60-6c4348cd892e"),
        KnownResource("January 2021 - Historic Frequency Data", "fe2502b8-7fef-4027-8399-550a0c84f415"),
        KnownResource("January 2022 - Historic Frequency Data", "43000c20-1208-4ca7-a419-712c7a1d375c"),
        KnownResource("January 2025 - Historic Frequency Data", "7b01e945-0e5b-4b51-9a21-6dc0a6d422d7"),
        KnownResource("January 2026 - Historic Frequency Data", "dbc3d95b-57f2-4e12-9281-44aad0667e6e"),
        KnownResource("July 2021 - Historic Frequency Data", "94d95251-ccbb-4187-ae54-1b90ebf12b9f"),
        KnownResource("July 2025 - Historic Frequency Data", "a3cbf8d1-8327-4c80-82ef-a7a31820ec72"),
        KnownResource("July 2026 - Historic Frequency Data", "027227d0-7c70-4497-bdc4-a80cff7726f8"),
        KnownResource("June 2021 - Historic Frequency Data", "bd754692-bce7-43b7-ba25-813921476391"),
        KnownResource("June 2025 - Historic Frequency Data", "8ac51432-f0c0-42e7-836e-247a030c91b9"),
        KnownResource("June 2026 - Historic Frequency Data", "dc7c5468-08a1-4586-bcdd-77ced39a5067"),
        KnownResource("March 2021 - Historic Frequency Data", "ac4e4031-0f86-48ff-8ecd-147d51ffbb81"),
        KnownResource("March 2025 - Historic Frequency Data", "6437cf1d-8517-42dc-9086-e386df5065d5"),
        KnownResource("March 2026 - Historic Frequency Data", "e7023794-d9f8-43ed-bfee-31c6f36a87f2"),
        KnownResource("May 2021 - Historic Frequency Data", "625597eb-7364-4ba8-a306-a7f59dcdc2a7"),
        KnownResource("May 2025 - Historic Frequency Data", "2122c101-fad5-4989-9814-728572d510e0"),
        KnownResource("May 2026 - Historic Frequency Data", "06315187-afcf-4fe2-8439-0eacc3f7bc35"),
        KnownResource("November 2021 - Historic Frequency Data", "9bc4746e-3152-4c6f-886e-58377ab88e0e"),
        KnownResource("November 2024 - Historic Frequency Data", "d83124cd-5f18-4bd3-b956-001914585d0f"),
        KnownResource("November 2025 - Historic Frequency Data", "2ddaf963-191a-43c3-bb3b-286de31508ee"),
        KnownResource("October 2021 - Historic Frequency Data", "12291f14-95c3-4847-b2ef-3190eaa1193c"),
        KnownResource("October 2024 - Historic Frequency Data", "0c45a551-bda2-450c-9f41-b3185e643824"),
        KnownResource("October 2025 - Historic Frequency Data", "288eba29-3ea0-4a93-bc7f-995c98473294"),
        KnownResource("September 2021 - Historic Frequency Data", "5cea7516-cbc3-416e-8dbf-162327c16b17"),
        KnownResource("September 2024 - Historic Frequency Data", "894b8dee-ad54-4f89-9f95-3f90661c3547"),
        KnownResource("September 2025 - Historic Frequency Data", "5b1ae652-c0d5-4853-b46f-6af414b487fd"),
    ),
    "stability-pathfinder-service-information": (
        KnownResource("Stability Pathfinder Availability Report 2023-2024", "a4fd8208-3e36-4f9c-bdc7-435c3734a2da"),
        KnownResource("Stability Pathfinder Availability Report 2024-2025", "bacc45e5-11ac-4bac-88ef-6872f499db97"),
        KnownResource("Stability Pathfinder Availability Report 2025-2026", "1264f36f-27ce-4ed9-aab1-393c7612d6bc"),
        KnownResource("Stability Pathfinder Availability Report 2026-2027", "690a9e42-20e2-4b0e-b74f-f3e37cac4bac"),
        KnownResource("Stability Pathfinder Utilisation Report 2023-2024", "52af0f68-e1c3-45dd-ae7f-54f68e32e0c6"),
        KnownResource("Stability Pathfinder Utilisation Report 2024-2025", "f43f5d61-b51f-45f9-a7e7-66f2959d38b5"),
        KnownResource("Stability Pathfinder Utilisation Report 2025-2026", "fc08cdba-1a86-460b-85c4-3d8c0d3d4e42"),
        KnownResource("Stability Pathfinder Utilisation Report 2026-2027", "75996c0a-70fb-4ddb-a345-bb1e8d39de35"),
    ),
    "stability-midterm-y-1-utilisation-report": (
        KnownResource("Stability midterm (Y-1) utilisation report 25/26", "e0c86d21-8ad1-4ba3-a112-b2bbcf5277ce"),
    ),
    "monthly-utilisation-data-of-voltage-contracted-units": (
        KnownResource(
            "Monthly Utilisation Data of Voltage 2026 Contracted Units", "e13539d0-eed0-4561-82a4-4517c14253c1"
        ),
    ),
    "system-operating-plan-sop": (
        KnownResource("System Operating Plan - Data Table", "e51f2721-00ab-4182-9cae-3c973e854aa8", True),
    ),
    "obp-non-bm-physical-notifications": (
        KnownResource("Non-BM Physical Notifications", "dfe1d229-e973-43c6-b5eb-c28ad59d7136"),
    ),
    "obp-non-bm-reserve-instructions": (
        KnownResource("Non-BM Instructions from OBP", "dad63c1b-8a8e-47de-9922-7880384ef104"),
    ),
    "obp-reserve-availability-utilisation-price": (
        KnownResource("Non-BM Reserve Availability MW and Utilisation Price", "6bfe7df0-60aa-462d-94cd-44ac0a4abb2c"),
    ),
    "non-bm-ancillary-service-dispatch-platform-asdp-instructions": (
        KnownResource("Non BM Dispatch Cease Instructions_Aug_2020", "a16abb3c-36bd-448f-9263-b25d90ca08a0", True),
        KnownResource("Non BM Dispatch Cease Instructions_Feb_2023", "b3cd38dd-9d42-4a15-975a-f047b1452830", True),
        KnownResource("Non BM Dispatch Cease Instructions_Feb_2024", "f393b6dd-a53e-479b-9487-ef6be9b54c7c", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jan_2021", "75acd396-3895-4538-998b-ed4c45574c40", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jan_2022", "3c9e6c70-5cff-42e6-8c9e-ca7f51111ba8", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jan_2023", "aa138e72-3e25-4787-8369-40f2b9abb980", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jan_2024", "f9de917d-9fc1-4ae6-9bfd-38f2c4e03ad7", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jul_2020", "5d741b13-85c4-44bd-82ba-50dca68ff4f1", True),
        KnownResource("Non BM Dispatch Cease Instructions_Jun_2020", "6f037ebe-110d-4099-ab82-0ac3185e3f18", True),
        KnownResource("Non BM Dispatch Cease Instructions_Oct_2020", "339bbc15-2e83-4928-a07f-e09b6d60edfc", True),
    ),
    "non-bm-ancillary-service-dispatch-platform-asdp-window-prices": (
        KnownResource("Non BM Window Price Change_2025", "91749b29-d98a-4565-b126-bd021253b3af", True),
        KnownResource("Non BM Window Price Change_2026", "832e6702-3007-4424-9146-8d35db8b2fe4", True),
    ),
    "eac-auction-results": (
        KnownResource("NESO Response-Reserve Buy Orders", "1cf68f59-8eb8-4f1d-bccf-11b5a47b24e5", True),
        KnownResource("NESO Response-Reserve Buy Orders FY2023 (Archive)", "7a2d64a5-3233-4ee2-92fd-240db03717f1"),
        KnownResource("NESO Response-Reserve Daily Results By Unit", "07f0dd8b-4471-4e2e-9ed6-d21b0ce1f6f5"),
        KnownResource("NESO Response-Reserve Results By Unit", "a63ab354-7e68-44c2-ad96-c6f920c30e85", True),
        KnownResource("NESO Response-Reserve Results By Unit FY2023 (Archive)", "7505ec16-e1e7-432e-8abd-a554e03e4f02"),
        KnownResource("NESO Response-Reserve Results Summary", "596f29ac-0387-4ba4-a6d3-95c243140707", True),
        KnownResource("NESO Response-Reserve Results Summary FY2023 (Archive)", "be5c6b0d-a335-4859-93f2-389585b4e9a1"),
        KnownResource("NESO Response-Reserve Results Summary FY2024 (Archive)", "ab130833-3ce4-4361-90fb-69fa3cf30f15"),
        KnownResource("NESO Response-Reserve Results Summary FY2025 (Archive)", "be55ee51-b79e-47da-b71e-a0f8865d9d66"),
        KnownResource("NESO Response-Reserve Sell Orders", "13b511df-d6ec-4143-afb1-0ecc6fd19810", True),
        KnownResource("NESO Response-Reserve Sell Orders 202311 (Archive)", "3780a81e-bee4-43e2-9ebe-ef85d2ba18de"),
        KnownResource("NESO Response-Reserve Sell Orders 202312 (Archive)", "66bde1bc-1e81-4d91-b022-ae0f072020b6"),
        KnownResource("NESO Response-Reserve Sell Orders 202401 (Archive)", "5901ba21-44e3-4f22-922b-e759f9930f92"),
        KnownResource("NESO Response-Reserve Sell Orders 202402 (Archive)", "301443b5-2629-482f-8904-d73cdffffc69"),
        KnownResource("NESO Response-Reserve Sell Orders 202403 (Archive)", "f588ba39-c449-4879-93f5-e771b85c93dc"),
        KnownResource("NESO Response-Reserve Sell Orders 202404 (Archive)", "85690ec6-741b-4853-840c-7afe70da3e79"),
        KnownResource("NESO Response-Reserve Sell Orders 202503 (Archive)", "02c3ede4-6909-4c7b-9b77-511c774decb2"),
        KnownResource("NESO Response-Reserve Sell Orders 202604 (Archive)", "45d867bb-eccb-4a60-8618-74316aafde5a"),
        KnownResource("NESO Response-Reserve Sell Orders 202605 (Archive)", "654c9fcd-9d0b-42c5-bac7-9fa245b5f99d"),
        KnownResource("NESO Response-Reserve Sell Orders 202606 (Archive)", "85272de8-2fd7-4578-ae4b-55da74629841"),
        KnownResource("NESO Response-Reserve Sell Orders 202607 (Archive)", "fc52a1fa-6ce5-4c35-a661-be1b49c1c48f"),
        KnownResource("NESO Response-Reserve Sell Orders 202608 (Archive)", "aeef326a-9379-4263-a7cd-63c5e4fb0911"),
        KnownResource("NESO Response-Reserve Sell Orders 202609 (Archive)", "06f4396f-d222-477d-85ad-916ac0662630"),
    ),
    "eac-br-auction-results": (
        KnownResource("NESO Balancing-Reserve Buy Orders 2023-2024", "8a549d29-52cd-4016-a04e-c01a3e31bd3a", True),
        KnownResource("NESO Balancing-Reserve Results By Unit 2023-2024", "5d8e47be-e262-4398-89b0-6f93f636faf6", True),
        KnownResource("NESO Balancing-Reserve Results Summary 2023-2024", "1b3f2ee1-74a0-4939-a5a3-f01f19e663e4", True),
        KnownResource("NESO Balancing-Reserve Sell Orders 2023-2024", "3f53c38b-d287-41af-b4c8-769abb6e707a", True),
    ),
    "eac-mock-auction-results": (
        KnownResource("NESO Mock Response-Reserve Buy Orders 2025-2026", "700a73ff-38e9-45ff-a674-085bcbfc9faf", True),
        KnownResource("NESO Mock Response-Reserve Daily Buy Orders", "f994f9bb-a2f3-48ff-a776-0b343806d978"),
        KnownResource("NESO Mock Response-Reserve Daily Results By Unit", "6a051ca2-715b-4966-9c16-58e52254f10b"),
        KnownResource("NESO Mock Response-Reserve Daily Results Summary", "f67a53d7-d46d-4550-8947-0c60328b2347"),
        KnownResource("NESO Mock Response-Reserve Daily Sell Orders", "c4d0341d-806d-4e53-9ae8-2c54df740ba3"),
        KnownResource(
            "NESO Mock Response-Reserve Results By Unit 2025-2026", "955cf89f-232e-4b9c-8414-6351080f49fa", True
        ),
        KnownResource(
            "NESO Mock Response-Reserve Results Summary 2025-2026", "454216d8-61f3-40b6-b787-4dff035ce3c3", True
        ),
        KnownResource("NESO Mock Response-Reserve Sell Orders 2025-2026", "3b18345a-1933-44d7-abd9-062a2e695ccd", True),
    ),
    "eac-br-mock-auction-results": (
        KnownResource("NESO Mock Balancing-Reserve Buy Orders 2023-2024", "e3ad918b-f10b-49c7-93ba-b7e81fe6feea", True),
        KnownResource(
            "NESO Mock Balancing-Reserve Results By Unit 2023-2024", "7f5a3d87-a3fb-4c5b-88f0-ecba2401834d", True
        ),
        KnownResource(
            "NESO Mock Balancing-Reserve Results Summary 2023-2024", "a285483f-d830-4ae2-8b6d-98c05f6d21f3", True
        ),
        KnownResource(
            "NESO Mock Balancing-Reserve Sell Orders 2023-2024", "b73e34ca-28fc-4fb2-9275-d5f546d6f33a", True
        ),
    ),
    "dynamic-containment-data": (
        KnownResource("DC, DR & DM Block Orders Master Data 2021-2023", "6fd8e042-be27-4c67-ad59-5acdd2a7b0fd", True),
        KnownResource("DC, DR & DM Linear Orders Master Data 2021-2023", "26aefbcc-fce0-403f-80e1-4a26af3fe84b", True),
        KnownResource(
            "DC, DR & DM Results By Unit Master Data 2021-2023", "ddc4afde-d2bd-424d-891c-56ad49c13d1a", True
        ),
        KnownResource(
            "DC, DR & DM Results Summary Master Data 2021-2023", "888e5029-f786-41d2-bc15-cbfd1d285e96", True
        ),
        KnownResource("Dynamic Containment Masterdata", "0b8dbc3c-e05e-44a4-b855-7dd1aa079c68"),
    ),
    "dynamic-containment-4-day-forecast": (
        KnownResource("Dynamic Containment - 4 Day forecast", "1b85a3f3-80f0-49cf-9b0e-49648fa0cae6"),
        KnownResource("Dynamic Containment 4 Day Forecast - History", "d5c3b48a-a0a9-4d57-a02a-ac0af09a6298"),
    ),
    "dynamic-moderation-requirements": (
        KnownResource("Indicative DM Requirements", "2aae8747-776d-4fe5-af9c-adcf38f1af8a"),
    ),
    "dynamic-regulation-requirements": (
        KnownResource("Indicative DR Requirements", "d6c576b9-91d5-4c48-bf6d-300c7d7aa6ad"),
    ),
    "static-firm-frequency-response-requirement": (
        KnownResource("Static Firm Frequency Response Requirement", "bf236101-7167-4351-9fa0-c0b2e7c85747"),
    ),
    "long-term-forecasts-for-dc-dm-dr-requirements": (
        KnownResource("DX Future Requirement", "5162c4d1-6d72-497b-a2ad-3a2449bc8952"),
    ),
    "static-firm-frequency-response-auction-results": (
        KnownResource("Static Firm Frequency Response Auction Buy Orders", "f9f4b295-6de6-4379-9211-b0b2117a0c48"),
        KnownResource("Static Firm Frequency Response Auction Results", "76bc5d39-c39f-490b-984e-58eb8ff296ef"),
    ),
    "balancing-reserve-auction-requirement-forecast": (
        KnownResource(
            "Balancing Reserve Day ahead auction requirement forecast (Archive)", "b9ce03d0-c189-44ef-92e4-c02e91feb65d"
        ),
        KnownResource(
            "Balancing Reserve Day ahead auction requirements forecast", "019f6fba-4f17-4056-9ef8-31df44ff2e30"
        ),
        KnownResource("Balancing Reserve Requirements Medium term forecast", "a9470515-c1de-4c4b-9597-2d78bf24c29f"),
        KnownResource(
            "Balancing Reserve Requirements Medium term forecast (Archive)", "fb2e0eea-b1c0-4ba3-a817-0561182a6e26"
        ),
    ),
    "quick-reserve-auction-requirement-forecast": (
        KnownResource("Quick Reserve Auction Requirement Forecast", "f012de08-b258-408b-bc41-f885e183f97f"),
    ),
    "slow-reserve-requirement-forecast": (
        KnownResource("Slow Reserve Requirement Forecast", "ccde1a9e-1885-4271-84a3-bb064194bce9"),
    ),
    "short-term-operating-reserve-stor-day-ahead-auction-results": (
        KnownResource("STOR DA Auction Results", "844a1a65-0a3c-4704-b327-d1685d0c397b"),
    ),
    "short-term-operating-reserve-stor-day-ahead-buy-curve": (
        KnownResource("STOR DA Auction Buy Curve Report", "8abc71ba-4484-4683-be68-5bc241b6ae7a"),
    ),
    "stor-windows": (KnownResource("STOR Windows", "90d4a1a4-d311-4a22-9138-84cb7ead2599"),),
    "ancillary-services-important-industry-notifications": (
        KnownResource("Balancing Reserve Important Industry Notifications", "13f8f6b1-690b-4695-993e-dbc26f9bbe54"),
        KnownResource("DC, DM, DR Important Industry Notifications", "5d6c5cf8-7f18-43d9-ab8c-ba3f88352f30"),
        KnownResource("Quick Reserve Important Industry Notifications", "a72085a8-e167-406d-8504-ed72d7e142af"),
        KnownResource("SFFR Important Industry Notifications", "9b51636d-fca5-4d00-946b-4e19770f1904"),
        KnownResource("STOR Important Industry Notifications", "1dbebd85-6b42-4d8f-8542-16a83d17dc14"),
        KnownResource("Slow Reserve Important Industry Notification", "11a90fe4-27c1-46b5-9619-016f2752413d"),
    ),
    "contract-transfer-of-obligation": (
        KnownResource("Contract Transfer of Obligation 2025-2026", "dbd7f746-07c9-4804-8ab2-9bec2d7ef0ec"),
    ),
    "phase-2-ffr-auction-results-summary": (
        KnownResource("Phase 2 FFR Auction LinearOrders Masterdata 2020-2021", "404a1de1-5fe9-4569-815a-394e83af96eb"),
    ),
    "aggregated-bsad": (
        KnownResource("Aggregated BSAD 2013-14", "d39fcf5e-32f9-4e44-a69d-b622effc165d"),
        KnownResource("Aggregated BSAD 2014-15", "44851379-3eeb-426f-81ea-a4bc34f6edbb"),
        KnownResource("Aggregated BSAD 2016-17", "15950c77-8f7d-4d12-8f29-25eaab6a5155"),
        KnownResource("Aggregated BSAD 2017-18", "6ecea816-d98a-4174-80b2-1536765fe711"),
        KnownResource("Aggregated BSAD 2018-19", "8d56ca90-0258-4380-b12d-88bf7a9606d7"),
        KnownResource("Aggregated BSAD 2019-20", "cfb65cd4-e41c-4587-9c78-31004827bee6"),
        KnownResource("Aggregated BSAD 2020-21", "ec526741-f629-4620-9e31-d14da373392e"),
        KnownResource("Aggregated BSAD 2021-22", "6fee3fb4-6cff-4c32-b22e-e39d1b16b03e", True),
        KnownResource("Aggregated BSAD 2022-23", "412e22d3-542f-4811-8f13-40537193022f", True),
        KnownResource("Aggregated BSAD 2023-24", "36070f3e-3d73-4776-8fb3-da9e76d4bf82", True),
        KnownResource("Aggregated BSAD 2024-25", "604e265b-ec58-4655-b467-988e2ed5d82d", True),
        KnownResource("Aggregated BSAD 2025-26", "06a87c3d-d214-469b-84d6-ad05d745433c", True),
        KnownResource("Aggregated BSAD 2026-27", "44d1e962-1791-4f33-957b-9f090ffc4359", True),
    ),
    "disaggregated-bsad": (
        KnownResource("Disaggregated BSAD 2013-14", "a01c3587-0e29-4e8b-81e6-37a32776fd8a"),
        KnownResource("Disaggregated BSAD 2014-15", "56b1346d-b0b7-4382-b1f6-8c20f614498e"),
        KnownResource("Disaggregated BSAD 2015-16", "d635d2b5-13ed-479b-ab84-1b62b0bf57c5"),
        KnownResource("Disaggregated BSAD 2016-17", "67b9dc17-9680-465c-8811-d0701608a9de"),
        KnownResource("Disaggregated BSAD 2017-18", "b6cb5312-ec16-4c4b-924b-9154f051e772"),
        KnownResource("Disaggregated BSAD 2018-19", "c64c285c-764b-4e95-9e04-a9379f8f84be"),
        KnownResource("Disaggregated BSAD 2019-20", "48fbc6ea-381e-40d6-9633-d1be09a89a0b"),
        KnownResource("Disaggregated BSAD 2020-21", "17325b59-ee73-4d7b-a05b-f2be04f1c2f8"),
        KnownResource("Disaggregated BSAD 2021-22", "cbf4e22a-d18e-4998-a7aa-da36261c4430", True),
        KnownResource("Disaggregated BSAD 2022-23", "b1167b32-75e8-436b-8b04-f1e586ffe60b", True),
        KnownResource("Disaggregated BSAD 2023-24", "aba2f13c-39ed-4991-a28b-288c94f1b800", True),
        KnownResource("Disaggregated BSAD 2024-25", "bc7cf2a8-6e25-4dad-ac2d-b9a97e968317", True),
        KnownResource("Disaggregated BSAD 2025-26", "f99c6391-507b-4eaa-beb8-a26fdfa809de", True),
        KnownResource("Disaggregated BSAD 2026-27", "2be1a4d1-6b10-4c62-a01c-924942a3748f", True),
    ),
    "balancing-services-adjustment-data-forward-contracts": (
        KnownResource("BSAD Forward Contracts 2016-17", "30ba12a9-9a9e-4dbb-a69e-ad256d274b04"),
        KnownResource("BSAD Forward Contracts 2017-18", "16fe508d-27da-4282-b8af-1fa519b6f480"),
        KnownResource("BSAD Forward Contracts 2018-19", "0e7f8536-b449-4f04-a5f5-d08e8121c8c4"),
        KnownResource("BSAD Forward Contracts 2019-20", "7ce8164f-0f0c-4940-b821-ca232e2eefaf"),
        KnownResource("BSAD Forward Contracts 2020-21", "5d0f2119-1ba6-4d7d-8db5-ea4e23720aa9"),
        KnownResource("BSAD Forward Contracts 2021-22", "c435e464-f4d5-4ec2-b8f5-693416e22baa", True),
        KnownResource("BSAD Forward Contracts 2022-23", "38f74f2c-f735-46fb-8e26-32545011a310", True),
        KnownResource("BSAD Forward Contracts 2023-24", "56e8e727-3ef9-4b0a-bd06-756cbf5df2fc", True),
        KnownResource("BSAD Forward Contracts 2024-25", "93f9bdde-1fd9-4619-99e2-d1c5e38239e1", True),
        KnownResource("BSAD Forward Contracts 2025-26", "9382cd2a-656d-4a0a-a82e-eb26cd8bf7f7", True),
        KnownResource("BSAD Forward Contracts 2026-27", "449c73a6-a7fd-4166-91f0-3dd1a0e0bb14", True),
    ),
    "obligatory-reactive-power-service-orps-utilisation": (
        KnownResource(
            "Historic Reactive Utilisation Data - Apr-2013 - March 2020", "3ee65326-3729-421d-b667-b2164501e4a5"
        ),
        KnownResource("Reactive Default Payment Rate - Oct - 2026", "b00df5b1-4179-44e3-b556-28a836ad619f"),
        KnownResource("Reactive Utilisation Data", "528b03d2-4008-4b65-a732-a001cd835a3b"),
        KnownResource("Reactive Utilisation Data - Apr-2020 - Dec-2024", "a61c6c26-62ec-41e1-ae25-ed95f4562274"),
    ),
    "optional-downward-flexibility-management-odfm-market-information": (
        KnownResource("Market Information Results 2020", "cfd349e9-7f36-480d-abb5-a740d8a6ea16"),
        KnownResource("Market Information Results 2021", "45e60798-da66-4734-bf9e-178efd49657c"),
        KnownResource("ODFM Instructed Volume for 05-07-2020", "f0a52698-5f80-4fb7-ad64-ede99015195f"),
        KnownResource("ODFM Instructed Volume for 05-07-2020 V2", "5c507a16-d2f3-44df-b1bb-98acc0d74e1c"),
        KnownResource("ODFM Load Factors", "e6146148-c862-49f6-9c7f-52dc2b3e7086"),
    ),
    "demand-flexibility": (
        KnownResource("DFS Industry Notification (Archive 2025/2026)", "3d042450-b556-450f-a4b5-cdb075cdf9c1"),
        KnownResource("DFS Service Requirement", "3635fd80-49d7-4d02-964d-cc8c08d50302"),
        KnownResource("DFS Service Requirement (Archive 2025/2026)", "f5605e2b-b677-424c-8df7-d0ce4ee03cef"),
        KnownResource("DFS Utilisation Report", "3ebf77d7-05df-466e-a023-dc45a90efeea"),
        KnownResource("DFS Utilisation Report (Archive 2025/2026)", "cc36fff5-5f6f-4fde-8932-c935d982ecd8"),
        KnownResource("DFS Utilisation Report Summary", "705e573c-ddac-4675-b410-82916b35c4fe"),
        KnownResource("DFS Utilisation Report Summary (Archive 2025/2026)", "25698259-0b66-42f0-ac59-ef0df5245812"),
    ),
    "demand-flexibility-service": (
        KnownResource("DFS Industry Notification (2023/24)", "94b4d470-a54e-41d7-ae6e-be158db9b9d4"),
        KnownResource("DFS Service Requirements (2023/24)", "7914dd99-fe1c-41ba-9989-5784531c58bb"),
        KnownResource("DFS Utilisation Report (2023/24)", "ed7019b0-32b7-425c-a2fb-5ba9e32733fb"),
        KnownResource("DFS Utilisation Report Summary (2023/24)", "71a9cb04-8935-4e3a-bdd6-17f6fff0a7c6"),
    ),
    "demand-flexibility-service-live-events": (
        KnownResource("DFS Service Requirement - LIVE", "663f3f82-fec8-4c9a-a837-df5db8690a6f"),
        KnownResource("DFS Utilisation Report - LIVE", "4e87244e-2479-4e6e-84c2-698dffaca41f"),
        KnownResource("Service Update Industry Notifications - LIVE", "a59a9d56-af4b-4044-b0c8-6379ce1213f8"),
        KnownResource("Utilisation Report Summary - LIVE", "011f1a15-f63f-4a95-b1eb-453e5ffcd176"),
    ),
    "demand-flexibility-service-test-events": (
        KnownResource("DFS Service Requirement - TEST", "000066dc-aa75-4bec-a5a2-9c935b1873d2"),
        KnownResource("DFS Utilisation Report - TEST", "fc466b76-6823-4dd9-8b4a-aab464e0e77b"),
        KnownResource("Service Update Industry Notifications - TEST", "a2dd7992-32d5-4723-b0f5-273caaecbde1"),
        KnownResource("Utilisation Report Summary - TEST", "e4804faf-92be-43d0-a1ec-3e52a50f9666"),
    ),
    "capacity-market-register": (
        KnownResource("Capacity Market Auction Capacity and Cost", "b1b58919-eaa4-40ea-80df-3d3e526f8223"),
        KnownResource("Capacity Market Auction Static Data", "784fa703-1460-42cd-a8bb-fba4dcabac8d"),
        KnownResource("Capacity Market De-Rating Factors", "d94ff98d-39ba-40d6-9672-7433de0631ac"),
        KnownResource("Capacity Market Unit (CMU)", "25a5fa2e-873d-41c5-8aaf-fbc2b06d79e6"),
        KnownResource("Capacity Market Unit (CMU) History", "cd034839-73e7-4c37-b4e5-6ebea25627d8"),
        KnownResource("Component History", "62bca39c-d4f0-4cd6-b2ff-8ef42dca7f23"),
        KnownResource("Component History - Pre Aggregation", "015453e0-c73c-416a-901d-623f914c8e70"),
        KnownResource("Components", "790f5fa0-f8eb-4d82-b98d-0d34d3e404e8"),
    ),
    "transmission-entry-capacity-tec-register": (
        KnownResource("TEC Register", "17becbab-e3e8-473f-b303-3806f43a6a10"),
    ),
    "embedded-register": (KnownResource("Embedded Register", "68b6f3a1-e1bf-403b-9062-0269fc758d77"),),
    "interconnector-register": (KnownResource("Interconnector Register", "64f7908f-f787-4977-93e1-5342a5f1357f"),),
    "ifa": (
        KnownResource("Archived IFA DA & ID Weekly ITLs", "2b38e754-a92e-4383-827d-5e6c10c882b0"),
        KnownResource("IFA ITL Data", "9e539e05-e09c-4983-91fd-c766f03d0339", True),
    ),
    "ifa2": (
        KnownResource("Archived IFA2 DA & ID Weekly ITLs", "19725dae-1d69-423e-8d5b-0f4dc8220b6b"),
        KnownResource("IFA2 ITL Data", "f9ff9381-6eb1-40cd-903b-ca7282b9f2a9", True),
    ),
    "eleclink": (
        KnownResource("Archived ElecLink NTC Data", "991a79f8-2e8c-4f42-b308-e3fb0346700d"),
        KnownResource("ElecLink NTC Data", "1f748d48-1daf-4f1a-a5f1-d581e86a2190", True),
    ),
    "nemolink": (
        KnownResource("Archived Nemo DA & ID Weekly NTCs", "ed977959-ccec-4cb6-b26f-c528863a243b"),
        KnownResource("Archived NemoLink NTC Data", "f169676e-67ec-4f2f-befd-1863c713179c"),
        KnownResource("NemoLink NTC Data", "7d43e2a0-1c22-4e05-895d-756bae210756", True),
        KnownResource("NemoLink-Intraday1-20240127-001", "aae5acff-fd30-4c46-b996-a10e50cf4d50", True),
    ),
    "nsl": (
        KnownResource("Archived NSL NTC Data", "33646e05-1af1-41b5-a056-9e95fb9f0534"),
        KnownResource("NSL NTC Data", "9db51c01-922d-413d-8b67-3938fdc14bdb", True),
    ),
    "viking": (
        KnownResource("Archived Viking NTC Data", "0d20456e-85cc-47a9-b476-e2d8e7c1b8eb"),
        KnownResource("Viking Link NTC Data", "f4ee9a34-1bb5-405e-b4a0-bacb193fb188", True),
    ),
    "brit-ned": (
        KnownResource("BritNed DA & ID Weekly ITLs 20221012", "10432bfd-2102-4eda-8c6d-bed2a4df676b"),
        KnownResource("BritNed DA & ID Weekly ITLs 20260331", "7dbb4e3c-8439-4f9c-a49d-7db2e0fa0235"),
    ),
    "interconnector-requirement-and-auction-summary-data": (
        KnownResource("Interconnector Requirements and Auction Summary", "6a928369-bed3-445f-af8a-69cdb2cc5089", True),
    ),
    "upcoming-trades": (KnownResource("Upcoming Trades", "0b7e84ec-eded-4458-b111-d29ba4508e85", True),),
    "historic-gtma-grid-trade-master-agreement-trades-data": (
        KnownResource("Historic GTMA Trades Data - Apr 2016 - March 2017", "b24d619b-f6ea-41e6-87ab-569960594d3f"),
        KnownResource("Historic GTMA Trades Data - Apr 2017 - March 2018", "6f2772a4-ac7a-4eb7-a8ee-59ca6a03e205"),
        KnownResource("Historic GTMA Trades Data - Apr 2018 - March 2019", "58f3079a-1440-4a70-b227-f4e661defee7"),
        KnownResource("Historic GTMA Trades Data - Apr 2019 - March 2020", "6a03c415-475f-4005-bf55-b9108291c511"),
        KnownResource("Historic GTMA Trades Data - Apr 2020 - March 2021", "8e14ae8e-2091-4abc-a2e6-a4b82e5519ab"),
        KnownResource(
            "Historic GTMA Trades Data - Apr 2021 - Mar 2022 (Pre June 2021)", "8cf964b6-b94c-4d35-88f4-312834aa6e8c"
        ),
        KnownResource("Historic GTMA Trades FY 21-22", "11a2f532-a7ce-46f8-9d82-88b3289daa82", True),
        KnownResource("Historic GTMA Trades FY 22-23", "83b1d432-f8b4-4393-a8fd-bcaeb6bd7620", True),
        KnownResource("Historic GTMA Trades FY 23-24", "f659641a-668f-446c-92c5-72d387121330", True),
        KnownResource("Historic GTMA Trades FY 24-25", "2d5bf30f-68ae-4340-a583-52e6af7fb7e8", True),
        KnownResource("Historic GTMA Trades FY 25-26", "bd8a822f-b065-489c-bbdd-d3099b179f20", True),
        KnownResource("Historic GTMA Trades FY 26-27", "e7a8abae-4e96-48b0-b9d7-54651da0cdb5", True),
    ),
    "balancing-services-contract-enactment": (
        KnownResource("Balancing Contract Enactment FY 21-22", "84837a48-8f5d-40d8-bc9f-53dd5e519447", True),
        KnownResource("Balancing Contract Enactment FY 22-23", "ed753a4b-1b8c-4b07-9997-b5c0e09da041", True),
        KnownResource("Balancing Contract Enactment FY 23-24", "3ca7b6d5-d211-479f-8d5f-4bca92add3c9", True),
        KnownResource("Balancing Contract Enactment FY 25-26", "b13cfa5e-53e3-41de-ace6-a5d3997b532c", True),
        KnownResource("Balancing Contract Enactment FY 26-27", "183ecdfb-56e0-487d-8262-468ce1c78ed4", True),
        KnownResource(
            "Balancing Service Contract Enactment 21-22 (Pre June 2021)", "f75a1dcb-de6e-4c20-8407-e37d5e67cf79", True
        ),
    ),
    "index-linked-contract-volume": (
        KnownResource("Index Linked Contract Enactment FY 21-22", "8f694d01-68a5-41b9-9542-dd27c42fdbbf", True),
        KnownResource("Index Linked Contract Enactment FY 22-23", "ff292de9-59aa-45cc-85ce-e21fed09f5ff", True),
        KnownResource("Index Linked Contract Enactment FY 23-24", "dff083d2-666b-4e23-9b46-9edd9298f0d3", True),
        KnownResource("Index Linked Contract Enactment FY 24-25", "9b72a2f5-db92-40ca-aa95-b9f1c56f7373", True),
    ),
    "super-stable-export-limit-contract-enactment": (
        KnownResource(
            "Super Stable Export Limit Contract Enactment FY 22-23", "34f185bc-087a-41b2-b514-305e31158e5a", True
        ),
    ),
    "day-ahead-power-exchange-prices-nordpool": (
        KnownResource("N2EX GB Day-Ahead Price", "4f27eea5-7038-4f73-9740-e3e4ad47c26a", True),
    ),
    "aahedc-tariffs": (KnownResource("AAHEDC Tariffs", "ffd29cc8-3c55-4e83-aa0e-73212d4fedba"),),
    "transmission-network-use-of-system-tnuos-tariffs": (
        KnownResource("Embedded Export Tariffs", "af4501a0-6b96-4088-926c-7c7b0c499b08"),
        KnownResource("Half-Hourly (HH) Demand Tariffs", "6abe8416-149c-4c78-b65b-059eea19957a"),
        KnownResource("Local Offshore Generator Tariffs", "98569a29-940d-4bb7-8dc4-01e46187039a"),
        KnownResource("Local Substation TNUoS Tariff", "e697e9be-c068-482d-ae35-01f60bcb6700"),
        KnownResource("Non Half-Hourly (NHH) Demand Tariffs", "4e8dd130-5283-4f22-8c05-84e4d3280eb3"),
        KnownResource("Onshore Generator Tariffs", "ffc0adb8-5426-474e-94a3-a5f3f01a0cdb"),
        KnownResource("Onshore Local Circuit Tariffs", "01f36b32-4ad3-47fa-a645-7f7a47f1b0ae"),
        KnownResource("Transmission Demand Residual (TDR) Tariffs", "dcca94fd-343e-4d4e-8c5d-66009dec4ad3"),
    ),
    "gis-boundaries-for-gb-grid-supply-points": (
        KnownResource("GSP - Gnode - Direct Connect - Region Lookup 20181031", "bbe2cc72-a6c6-46e6-8f4e-48b879467368"),
    ),
    "data-portal-planned-changes-known-issues": (
        KnownResource("Planned Changes and Issues Log", "23021dfa-a3b8-4f62-93bc-b60186c53fa4"),
    ),
    "future-energy-scenario-fes-building-block-data": (
        KnownResource("Building Block Definitions 2024", "778a505c-1972-463b-b4bf-53e33c4d3470"),
        KnownResource("Building Block Definitions 2025", "cc3118da-cbbe-49e8-a8ee-9bdd89a8bf9c"),
        KnownResource("Building Block Licence Area Name Mapping 2024", "0ec29244-277e-41d1-bca7-17f12b71eb60"),
        KnownResource("FES 2025 Building Blocks", "73f69d8f-e9cb-4a2d-8538-baf03b5eadef"),
    ),
    "regional-breakdown-of-fes-data-electricity": (
        KnownResource(
            "Regional Breakdown of 2024 FES: Distributed generation less than 1 MW",
            "31ad4fd0-f67e-47f6-89bc-1bebda19eb25",
        ),
    ),
    "future-energy-scenario-electricity-supply-data-table-es1": (
        KnownResource("Electricity Supply Data table (ES1) 2025", "6c78a777-b885-4bb6-bc35-8100f9e137a2"),
    ),
    "fes-electricity-demand-summary-data-table-ed1": (
        KnownResource("Electricity Demand Summary (ED1) 2025", "300c07b9-baeb-4411-bc40-987cbb4aec0b"),
    ),
    "fes-european-electricity-supply-data-table-es2": (
        KnownResource("European Electricity Supply Data Table (ES2) 2025", "fbfdc6c6-52b6-4e3a-96b9-f4e7941f61ec"),
    ),
    "fes-flexibility-data-table-data-table-flx1": (
        KnownResource("Flexibility data table (FLX1) 2025", "299bc6c8-7608-4946-ab0a-5bc22129c897"),
    ),
    "fes-natural-gas-demand-definitions-ed4": (
        KnownResource("Natural Gas demand definitions (ED4) 2025", "74485527-6c09-4c1a-bf8c-8569810eb918"),
    ),
    "fes-natural-gas-residential-and-non-domestic-i-c-heat-demand-summary-data-table-ed3": (
        KnownResource("Heat Demand Summary (ED7) 2025", "2019e900-11eb-40ce-ae54-a49a2abb5d4b"),
    ),
    "fes-road-transport-notes-data-table-ed6": (
        KnownResource("Road Transport Notes (ED6) 2025", "43add83b-bf94-493b-8f5d-de7fdbefc5bb"),
    ),
    "fes-road-transport-summary-data-table-ed5": (
        KnownResource("Road Transport Summary (ED5) 2025", "ce76da34-6eb0-43a1-8e93-3cc833d6d1b4"),
    ),
    "fes-whole-system-gas-supply-data-table-ws1": (
        KnownResource("Whole System & Gas Supply (WS1) 2025", "ebf4f503-0a13-45e6-89ad-b707748613b6"),
    ),
    "fes-whole-system-gas-supply-emissions-data-table-ws2": (
        KnownResource("Whole System & Gas Supply - Emissions (WS2) 2025", "a80a94cc-b349-412c-83a0-0f5f9eaf4e7e"),
    ),
    "local-authority-level-spatial-heat-model-outputs-fes": (
        KnownResource(
            "FES 2025 local authority outputs 2050 residential all scenarios", "593f1c8c-b278-4405-9164-21dfacd70a6d"
        ),
    ),
    "levelised-cost-of-green-hydrogen": (
        KnownResource(
            "Capex and opex input assumptions for PEM and Alkaline electrolyser systems",
            "88cfa584-db79-4573-a0c0-c14086257f8f",
        ),
        KnownResource(
            "Levelised cost of blue hydrogen modelling, 2025 to 2050", "3f3b1bf0-4664-494f-a501-a39adabecd0d"
        ),
        KnownResource(
            "Levelised cost of green hydrogen modelling, 2025 to 2050", "cc2dad0c-393c-4ae0-ae67-a98703169ad4"
        ),
    ),
    "resource-adequacy-in-2030s": (KnownResource("Peak Demand", "5ca210f2-96cb-4fcd-939d-a9f34b2b8174"),),
}
"""Tables of every package that has any; ``True`` marks those without a file."""
