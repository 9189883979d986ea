# frozen_string_literal: true

# An example shop: it accepts orders at /orders and fails, because nothing is in stock.

require "logger"
require "webrick"
require_relative "session_token"

$stdout.sync = true
logger = Logger.new($stdout, level: :info, formatter: SessionToken::Formatter.new)
if ENV["LOGGING"] == "tagged"
  require "active_support"
  require "active_support/tagged_logging"
  logger = ActiveSupport::TaggedLogging.new(logger)
end

take_order = lambda do |order|
  if logger.respond_to?(:tagged)
    logger.tagged("orders") { logger.info("order received: #{order}") }
  else
    logger.info("order received: #{order}")
  end
  logger.warn("stock:\n  lamp: none\n\n  chair: none")
  raise "no stock left\nfor #{order}"
end

server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: Integer(ENV.fetch("PORT", "8000")), AccessLog: [], Logger: logger
)
server.mount_proc("/orders") do |request, response|
  SessionToken.use(request[SessionToken::HEADER]) do
    take_order.call(request.body)
    response.status = 201
  rescue StandardError => e
    # Tagged logging would drop the backtrace of an exception object.
    logger.error(e.full_message(highlight: false))
    response.status = 500
  end
end
trap("TERM") { server.shutdown }
server.start
