"""``Ledger``: the state of every order, as the layers above use it."""

from __future__ import annotations

from order_relay.ledger.alerts import Alerts
from order_relay.ledger.delivery.claims import Claims
from order_relay.ledger.delivery.history_imports import HistoryImports
from order_relay.ledger.delivery.leases import Leases
from order_relay.ledger.delivery.lookups import Lookups
from order_relay.ledger.delivery.outcomes import Outcomes
from order_relay.ledger.delivery.preflight import PreflightChecks
from order_relay.ledger.delivery.resends import Resends
from order_relay.ledger.fulfilment.feed_errors import FeedErrors
from order_relay.ledger.fulfilment.feed_index import FeedIndex, restamp_long_transactions
from order_relay.ledger.fulfilment.order_references import OrderReferences
from order_relay.ledger.fulfilment.shipments import Shipments
from order_relay.ledger.fulfilment.status_history import StatusHistory
from order_relay.ledger.fulfilment.status_queries import Statuses
from order_relay.ledger.fulfilment.status_reads import StatusReads
from order_relay.ledger.fulfilment.status_refusals import StatusRefusals
from order_relay.ledger.listing.order_list import ListedOrders
from order_relay.ledger.oms.oms_questions import OmsQuestions
from order_relay.ledger.oms.oms_status_counts import OmsStatusCounts
from order_relay.ledger.oms.oms_statuses import OmsStatuses
from order_relay.ledger.operators.activity import OperatorActivity
from order_relay.ledger.operators.attention import Attention
from order_relay.ledger.operators.bulk import BulkDecisions
from order_relay.ledger.operators.cancellations import Cancellations
from order_relay.ledger.operators.code_tables import CodeTableRows
from order_relay.ledger.operators.completed_checks import CompletedChecks
from order_relay.ledger.operators.corrections import Corrections
from order_relay.ledger.operators.decisions import Decisions
from order_relay.ledger.operators.saved_views import SavedViews
from order_relay.ledger.reporting.accounting import Accounting
from order_relay.ledger.reporting.health import Health
from order_relay.ledger.reporting.order_history import OrderHistories
from order_relay.ledger.reporting.queries import Queries
from order_relay.ledger.reporting.reconciliation import Reconciliation
from order_relay.ledger.reporting.retention import Retention
from order_relay.ledger.reporting.run_history import RunHistory
from order_relay.ledger.reporting.trends import Trends
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrate import check_revision
from order_relay.ledger.submissions.fingerprints import Fingerprints
from order_relay.ledger.submissions.intake import Intake
from order_relay.ledger.submissions.payloads import Payloads
from order_relay.ledger.submissions.runs import Runs
from order_relay.ledger.submissions.source_holds import SourceHolds
from order_relay.ledger.submissions.unidentified_orders import UnidentifiedOrders
from order_relay.ledger.submissions.unread_orders import UnreadOrders
from order_relay.ledger.submissions.validation import Validation
from order_relay.ledger.submissions.versions import Versions
from order_relay.ledger.submissions.worklist import Worklist
from order_relay.ledger.write_back.acknowledgements import Acknowledgements
from order_relay.ledger.write_back.feedback import Feedback
from order_relay.ledger.write_back.offline_orders import OfflineOrders
from order_relay.ledger.write_back.operator_tasks import WriteBackTasks
from order_relay.ledger.write_back.portal_files import PortalFiles


class Ledger:
    """An open ledger: repositories over one database, whose methods are its transactions (``store.repository``).

    Safe to use from several threads and, on one database, from several processes and machines.
    """

    def __init__(self, database: Database) -> None:  # noqa: PLR0915 - one line for each repository
        self.database = database
        self.runs = Runs(database)
        self.intake = Intake(database)
        self.fingerprints = Fingerprints(database)
        self.worklist = Worklist(database)
        self.source_holds = SourceHolds(database)
        self.unread_orders = UnreadOrders(database)
        self.unidentified_orders = UnidentifiedOrders(database)
        self.validation = Validation(database)
        self.versions = Versions(database)
        self.payloads = Payloads(database)
        self.claims = Claims(database)
        self.outcomes = Outcomes(database)
        self.leases = Leases(database)
        self.lookups = Lookups(database)
        self.resends = Resends(database)
        self.history_imports = HistoryImports(database)
        self.preflight = PreflightChecks(database)
        self.decisions = Decisions(database)
        self.bulk = BulkDecisions(database)
        self.code_tables = CodeTableRows(database)
        self.corrections = Corrections(database)
        self.activity = OperatorActivity(database)
        self.completed_checks = CompletedChecks(database)
        self.attention = Attention(database)
        self.acknowledgements = Acknowledgements(database)
        self.feedback = Feedback(database)
        self.cancellations = Cancellations(database)
        self.write_back_tasks = WriteBackTasks(database)
        self.offline_orders = OfflineOrders(database)
        self.portal_files = PortalFiles(database)
        self.shipments = Shipments(database)
        self.oms_questions = OmsQuestions(database)
        self.oms_statuses = OmsStatuses(database)
        self.oms_status_counts = OmsStatusCounts(database)
        self.order_references = OrderReferences(database)
        self.status_history = StatusHistory(database)
        self.status_reads = StatusReads(database)
        self.status_refusals = StatusRefusals(database)
        self.statuses = Statuses(database)
        self.feed_index = FeedIndex(database)
        self.feed_errors = FeedErrors(database)
        self.alerts = Alerts(database)
        self.accounting = Accounting(database)
        self.order_list = ListedOrders(database)
        self.queries = Queries(database)
        self.order_histories = OrderHistories(database)
        self.saved_views = SavedViews(database)
        self.health = Health(database)
        self.reconciliation = Reconciliation(database)
        self.retention = Retention(database)
        self.run_history = RunHistory(database)
        self.trends = Trends(database)

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open a migrated ledger; ``url`` is ``sqlite:///FILE`` or ``postgresql://...``.

        Raises ``ConfigurationError`` unless its tables are of this program's revision and its commits survive a power
        cut.
        """
        database = Database(url, restamp_long_transactions)
        try:
            check_revision(database)
            database.assert_durable()
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
