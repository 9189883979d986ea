# frozen_string_literal: true

require "logger"

# Reads the session token of the current request and formats the session tag for log lines.
module SessionToken
  HEADER = "X-OpenReplay-SessionToken"
  LONGEST_HEADER = 512
  NUMBER = "[0-9A-Za-z]{1,13}"
  FORM = /\A#{NUMBER}\.-?#{NUMBER}\.#{NUMBER}\.[1-9A-HJ-NP-Za-km-z]{32,44}\z/

  module_function

  # Returns the session token, or nil if the header is missing or invalid or has different values.
  # The tracker may send the same token twice, and servers join values with commas.
  def of(header)
    return if header.nil? || header.bytesize > LONGEST_HEADER

    found = header.b.split(",").map(&:strip).uniq
    found.first if found.one? && FORM.match?(found.first)
  end

  # Runs the block in the session of a header, and restores the previous session afterwards.
  def use(header)
    before = Thread.current[:open_replay_session_token]
    Thread.current[:open_replay_session_token] = of(header)
    yield
  ensure
    Thread.current[:open_replay_session_token] = before
  end

  # Returns the session tag of the current request, or nil.
  def tag
    token = Thread.current[:open_replay_session_token]
    "[openReplaySessionToken=#{token}] " if token
  end

  # Prefixes each line with the session tag, because log drivers turn each line into a log event.
  # Works on bytes to support text in any encoding.
  class Formatter < Logger::Formatter
    def call(*)
      lines = super
      tag = SessionToken.tag
      tag ? lines.b.gsub(/^(?=.)/n, tag).force_encoding(lines.encoding) : lines
    end
  end
end
